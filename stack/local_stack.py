"""A workspace of its own, and a local Prefect server: what the demo and the tests stand on. Standard library only."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
START_SECONDS = 120
OWN_DEPLOYMENTS = "project/deployments.yaml"
# What a user may have set for their own servers must not reach the demo or the tests.
FOREIGN = ("PREFECT_", "MLFLOW_", "PARAMS_", "WORKSPACE")


def make_workspace(folder: Path) -> Path:
    """A fresh workspace with the repository's params.yaml, data.dvc and DVC settings; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for file in ("params.yaml", "data.dvc"):
        shutil.copy(ROOT / file, folder)
    (folder / "state" / "prefect").mkdir(parents=True)
    return folder


def clean_environment(workspace: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that works in `workspace` and knows nothing of the user's own servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    own = {"WORKSPACE": str(workspace), "PREFECT_HOME": str(workspace / "state" / "prefect"), "PYTHONPATH": str(ROOT)}
    return kept | own | variables


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def prefect_server(environment: dict[str, str], port: int | None = None) -> Generator[str]:
    """Start a Prefect server on a loopback port, a free one by default, wait until it answers, and stop it at the end.

    Yields:
        The address of its API.
    """
    port = port or free_port()
    server = start_server(environment, port)
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        stop(server)


def start_server(environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    """Start a Prefect server and wait until it answers."""
    address = f"http://127.0.0.1:{port}/api"
    log = Path(environment["PREFECT_HOME"]) / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "PREFECT_API_URL": address,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In memory, a restarted server forgets who holds the slot of a deployment, and ends that run.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output:
        server = detached(command, environment | settings, output)
    try:
        wait_until_up(address, server, log)
    except BaseException:
        stop(server)
        raise
    return server


def deploy(environment: dict[str, str]) -> None:
    """Create the work pool and all deployments of starter and project, or end the process with the reason."""
    pool, all_of = (
        ["work-pool", "create", "local", "--type", "process", "--overwrite"],
        ["--no-prompt", "deploy", "--all"],
    )
    own = [[*all_of, "--prefect-file", OWN_DEPLOYMENTS]] if (ROOT / OWN_DEPLOYMENTS).is_file() else []
    for command in (pool, all_of, *own):
        prefect = [sys.executable, "-m", "prefect", *command]
        done = subprocess.run(prefect, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"error: prefect {' '.join(command)} failed: {done.stdout[-500:]}{done.stderr[-500:]}")


@contextmanager
def worker(environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """A worker of the pool; at the end, runs in flight are cancelled before it is stopped, and once more after it."""
    process, stop_runs = start_worker(environment), [sys.executable, "-m", "tasks.operations.stop_runs"]
    try:
        yield process
    finally:
        subprocess.run(stop_runs, cwd=ROOT, env=environment)
        stop(process)
        subprocess.run(stop_runs, cwd=ROOT, env=environment)  # a schedule may have started one meanwhile


def start_worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a worker of the pool for two runs at a time."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "local", "--limit", "2"]
    settings = {"PATH": path, "PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_WORKER_PREFETCH_SECONDS": "5"}
    log = Path(environment["PREFECT_HOME"]) / "worker.log"
    with log.open("w") as output:
        return detached(command, environment | settings, output)


def detached(command: list[str], environment: dict[str, str], output: IO[str] | int) -> subprocess.Popen[bytes]:
    """Start a process that a Ctrl-C in the terminal does not reach: it is stopped in its turn."""
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process gently, then firmly."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_up(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; end the process with one sentence if it never does."""
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        try:
            with urlopen(f"{address}/health", timeout=2):  # noqa: S310  a loopback address of our own
                return
        except (URLError, OSError):
            time.sleep(0.2)
    sys.exit(f"error: the Prefect server did not start; its log is {log}")
