"""The image of the endpoint is small, and answers as a user without rights on a root that nobody can write to."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.error import URLError

import pytest
from endpoints import MODEL, WAIT, Endpoint, as_requests, hand_over
from stores import make_three_versions, new_workspace, use_workspace

from stack.local_stack import ROOT, free_port
from tasks.core.workspace import workspace

NEEDED = [tool for tool in ("buildah", "debootstrap") if not shutil.which(tool)]
pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(bool(NEEDED), reason=f"no {', '.join(NEEDED)}: apt-get install buildah debootstrap crun"),
]
BASE, IMAGE = "localhost/local/base:bookworm", "localhost/ml-serve"
KEY = "0123456789abcdef"


def buildah(*command: str) -> str:
    environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(["buildah", *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A base image of Debian with Python, made here: nothing is pulled."""
    folder = tmp_path_factory.mktemp("base") / "root"
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", folder], check=True, capture_output=True)
    made = buildah("from", "scratch")
    buildah("add", "-q", made, str(folder), "/")
    buildah("commit", "-q", made, BASE)
    buildah("rm", made)
    return folder


@pytest.fixture(scope="module")
def root(base):
    """The files of the image."""
    certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
    given = ["--build-arg", f"BASE={BASE}", "--network", "host", "--volume", certificates]
    buildah("bud", "--layers=false", *given, "--target", "serve", "-t", IMAGE, str(ROOT))
    made = buildah("from", IMAGE)
    yield Path(buildah("mount", made))
    buildah("umount", made)
    buildah("rm", made)


def megabytes(folder: Path) -> int:
    return int(subprocess.check_output(["du", "-sm", folder], text=True).split()[0])


def test_its_layers_above_the_base_are_small(base, root):
    size = megabytes(root) - megabytes(base)
    print(f"image above its base: {size} MB")
    assert size <= 600
    assert not list(root.glob("opt/venv/lib/python3*/site-packages/prefect"))


def test_it_answers_as_a_user_without_rights_on_a_read_only_root(
    root, tiny_model, snapshot, use_case, s3_store, tmp_path
):
    before = workspace().root
    use_workspace(new_workspace(tmp_path / "workspace"))
    make_three_versions(tiny_model)
    row = as_requests(hand_over(snapshot, use_case).tail(1))[0]
    port = free_port()
    mounts = f"mount --bind {root} {root} && mount -o remount,ro,bind {root}"
    for folder in ("app/cache", "app/state", "tmp"):
        mounts += f" && mount -t tmpfs -o mode=1777 none {root}/{folder}"
    mounts += f" && mount -t proc none {root}/proc && mount --bind /dev {root}/dev"
    serve = f"cd /app && exec python3 -m serving --host 0.0.0.0 --port {port} --model {MODEL}"
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "PARAMS_STORE")
    inside = {name: os.environ[name] for name in names}
    inside |= {
        "PATH": "/opt/venv/bin:/usr/bin:/bin",
        "WORKSPACE": "/app",
        "SERVE_API_KEYS": KEY,
        "PYTHONUNBUFFERED": "1",
    }
    variables = " ".join(f"{name}='{value}'" for name, value in inside.items())
    run = f"exec env -i {variables} /usr/sbin/chroot --userspec=10001:10001 {root} sh -c '{serve}'"
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", f"{mounts} && {run}"], stdout=output, stderr=output)
    endpoint, give_up = Endpoint(port, process, log), time.monotonic() + WAIT
    try:
        while not is_ready(endpoint):
            assert time.monotonic() < give_up and process.poll() is None, log.read_text()
            time.sleep(0.2)
        reply = endpoint.post("/predict", row, X_API_Key=KEY)
        assert reply.status == 200 and reply.body["version"] == "1", reply
        assert endpoint.post("/predict", row).status == 401
        assert "\nUid:\t10001" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.terminate()
        process.wait(60)
        use_workspace(before)
    assert len(s3_store.ls(f"shared/prefix/served/{MODEL}")) == 1  # shipped at its end


def is_ready(endpoint: Endpoint) -> bool:
    try:
        return endpoint.get("/ready").status == 200
    except (URLError, OSError):
        return False
