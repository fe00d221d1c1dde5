"""What the endpoint says of itself holds for whatever schemathesis makes up."""

import shutil
import subprocess

import pytest
from endpoints import running_endpoint

from stack.local_stack import ROOT

UV = next((path for path in (shutil.which("uv"), ROOT / ".uv" / "bin" / "uv") if path and shutil.which(path)), None)


@pytest.mark.prove
@pytest.mark.skipif(UV is None, reason="no uv: make lock gets it")
def test_schemathesis_finds_nothing(flights):
    with running_endpoint() as endpoint:
        run = ["tool", "run", "--from", "schemathesis", "st", "run", f"{endpoint.address}/openapi.json", "--seed", "1"]
        done = subprocess.run([str(UV), *run, "--max-examples", "200"], capture_output=True, text=True)
        print(done.stdout[-400:])
        assert done.returncode == 0, done.stdout[-4000:]
        assert endpoint.process.poll() is None and "Traceback" not in endpoint.log.read_text()
        assert endpoint.memory() <= 300
