"""The local stack: one command starts it, Ctrl-C stops all of it and leaves no run behind."""

import signal
import sqlite3
import subprocess
import sys
from urllib.request import urlopen

import pytest
from stacks import WAIT, held, processes_of, read_until, states, wait_for

from stack.local_stack import ROOT, clean_environment, make_workspace, port_is_free
from stack.up import ENDPOINT_PORT, ENV_FILE, PORT, REPORTS_PORT

pytestmark = [pytest.mark.server, pytest.mark.slow]

PORTS = (PORT, REPORTS_PORT, ENDPOINT_PORT)


@pytest.fixture
def workspace(tmp_path):
    if not all(port_is_free(port) for port in PORTS):
        pytest.skip(f"one of the ports {PORTS} is in use: stop `make up` first")
    return make_workspace(tmp_path / "workspace")


def up(workspace) -> tuple[subprocess.Popen[str], dict[str, str]]:
    environment = clean_environment(workspace, PREFECT_API_URL="http://127.0.0.1:9/api", PYTHONUNBUFFERED="1")
    command = [sys.executable, "-m", "stack.up"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    return process, environment


def test_it_starts_serves_a_second_terminal_and_stops_without_a_run_or_a_process_left(workspace):
    process, environment = up(workspace)
    read_until(process, "Ctrl-C stops it")
    assert f"127.0.0.1:{PORT}/api" in ENV_FILE.read_text()
    with urlopen(f"http://127.0.0.1:{REPORTS_PORT}") as home:
        assert "No champion yet" in home.read().decode()
    wait_for(lambda: not port_is_free(ENDPOINT_PORT))
    with urlopen(f"http://127.0.0.1:{ENDPOINT_PORT}/health") as health:
        assert health.status == 200
    terminal = {name: value for name, value in environment.items() if not name.startswith("PREFECT_")}
    run = [sys.executable, "-m", "prefect", "deployment", "run", "train/train-by-hand", "--param"]
    server = {"PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api"}
    with held(workspace, "training of late-arrivals"):
        for as_of in ("2013-04-01", "2013-05-01"):
            subprocess.run([*run, f"as_of={as_of}"], cwd=ROOT, env=terminal, check=True)
        again = subprocess.run(
            [sys.executable, "-m", "stack.up"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert (again.returncode, again.stderr) == (1, f"error: port {PORT} is in use: is another `make up` running?\n")
        wait_for(lambda: "Running" in states(server, "train/train-by-hand"))
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0 and "stopped" in said
    assert not ENV_FILE.exists()
    assert all(port_is_free(port) for port in PORTS)
    database = sqlite3.connect(workspace / "state" / "prefect" / "prefect.db")
    ended = {state for (state,) in database.execute("select distinct state_type from flow_run")}
    assert not ended & {"RUNNING", "PENDING", "CANCELLING"}
    wait_for(lambda: not processes_of(workspace))
