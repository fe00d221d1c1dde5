"""The local stack in one command: Prefect server, deployments, worker, reports (make up). Standard library only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from stack.local_stack import ROOT, deploy, detached, port_is_free, prefect_server, stop, worker

PORT, REPORTS_PORT, ENDPOINT_PORT = 4200, 4201, 4202
ENV_FILE = ROOT / ".env"
ADDED = "# from here on by `make up`, which removes it when it stops\n"
# What a user may have set for another server; the rest of PREFECT_*, such as the database, is theirs to set.
OTHERS = ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE")


def main() -> int:
    """Start everything, wait for Ctrl-C, stop everything in the opposite order."""
    workspace = Path(os.environ.get("WORKSPACE") or ROOT).resolve()
    if not (workspace / "params.yaml").is_file():
        sys.exit(f"error: {workspace} is no workspace: it holds no params.yaml")
    for port in (PORT, REPORTS_PORT, ENDPOINT_PORT):
        if not port_is_free(port):
            sys.exit(f"error: port {port} is in use: is another `make up` running?")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    kept = {name: value for name, value in os.environ.items() if name not in OTHERS}
    home = {"PREFECT_HOME": str(workspace / "state" / "prefect"), "PYTHONPATH": str(ROOT)}
    environment = kept | home | {"WORKSPACE": str(workspace), "REPORTS_URL": f"http://127.0.0.1:{REPORTS_PORT}"}
    print(f"Starting a Prefect server for {workspace} (10 to 20 seconds) ...", flush=True)
    try:
        with prefect_server(environment, PORT) as address:
            environment |= {"PREFECT_API_URL": address}
            deploy(environment)
            for command in (["alerts"], ["status", "--html"]):
                subprocess.run([sys.executable, "-m", "flows.cli", *command], cwd=ROOT, env=environment)
            with (
                env_file(environment),
                reports(workspace, environment),
                endpoint(environment),
                worker(environment) as process,
            ):
                tell_next_steps(address, workspace)
                while process.poll() is None:
                    time.sleep(0.5)
        print("error: the worker ended by itself; its log is state/prefect/worker.log")
        return 1
    except KeyboardInterrupt:
        print("stopped")
        return 0


def interrupt(*_: object) -> None:
    """Begin to stop; a second Ctrl-C does not interrupt that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("\nstopping ...", flush=True)
    raise KeyboardInterrupt


@contextmanager
def env_file(environment: dict[str, str]) -> Generator[None]:
    """Let a second terminal in this folder find the server: Prefect reads .env. The user's own lines stay."""
    names = ("PREFECT_API_URL", "PREFECT_HOME")
    own = ENV_FILE.read_text().partition(ADDED)[0] if ENV_FILE.exists() else ""
    own += "" if own.endswith("\n") or not own else "\n"
    ENV_FILE.write_text(own + ADDED + "".join(f"{name}={environment[name]}\n" for name in names))
    try:
        yield
    finally:
        if own:
            ENV_FILE.write_text(own)
        else:
            ENV_FILE.unlink(missing_ok=True)


@contextmanager
def reports(workspace: Path, environment: dict[str, str]) -> Generator[None]:
    """Serve home page, drift reports and model cards, so that the links of the UI open them."""
    folder = workspace / "store" / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(REPORTS_PORT),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
    process = detached(command, environment, subprocess.DEVNULL)
    while port_is_free(REPORTS_PORT) and process.poll() is None:
        time.sleep(0.1)
    try:
        yield
    finally:
        stop(process)


@contextmanager
def endpoint(environment: dict[str, str]) -> Generator[None]:
    """Answer with the champions' scores; it waits for the first one."""
    command = [sys.executable, "-m", "serving", "--port", str(ENDPOINT_PORT)]
    with (Path(environment["PREFECT_HOME"]) / "endpoint.log").open("w") as output:
        process = detached(command, environment, output)
    try:
        yield
    finally:
        stop(process)


def tell_next_steps(address: str, workspace: Path) -> None:
    print(f"\nHow the models are:  http://127.0.0.1:{REPORTS_PORT}")
    print(f"The endpoint:        http://127.0.0.1:{ENDPOINT_PORT}")
    print(f"The Prefect UI:      {address.removesuffix('/api')}")
    elsewhere = "" if workspace == ROOT else f"WORKSPACE={workspace} "
    print("In a second terminal, in this folder:")
    print("  .venv/bin/prefect deployment run train/train-by-hand --watch")
    print(f"  {elsewhere}.venv/bin/ml status")
    print("Ctrl-C stops it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
