"""A Prefect server with deployments and a worker, and what a user's second terminal does with them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from stack.local_stack import (
    ROOT,
    clean_environment,
    deploy,
    make_workspace,
    prefect_server,
    start_server,
    start_worker,
    worker,
)

OVER = {"Completed", "Failed", "Crashed", "Cancelled"}
WAIT = 600  # seconds until a test gives up on what a busy machine is late with; nothing is measured in them


@contextmanager
def running_stack(workspace: Path, **variables: str) -> Generator[dict[str, str]]:
    """A fresh workspace with server, deployments and worker; yields the environment of a second terminal."""
    settings = {"PARAMS_TUNING__N_TRIALS": "1", "PARAMS_MONITOR__REPORT": "never"} | variables
    environment = clean_environment(make_workspace(workspace), **settings)
    with prefect_server(environment) as address:
        environment |= {"PREFECT_API_URL": address}
        deploy(environment)
        with worker(environment):
            yield environment
    kill(workspace)  # what restart started


def restart(environment) -> None:
    """Kill server and worker, and start others."""
    port = int(environment["PREFECT_API_URL"].split(":")[2].split("/")[0])
    for part in ("server", "worker"):
        kill(environment["WORKSPACE"], f"prefect {part}")
    start_server(environment, port)
    start_worker(environment)


def prefect(environment, *command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "prefect", *command]
    return subprocess.run(full, cwd=cwd, env=environment, capture_output=True, text=True, timeout=WAIT)


def flow(environment, *command: str, code: int = 0) -> str:
    """What `python -m COMMAND` prints."""
    full = [sys.executable, "-m", *command]
    done = subprocess.run(full, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def python(environment, code: str) -> str:
    """What some lines of Python print."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_unheard(environment, as_of: str) -> str:
    """What `python -m flows.monitor --as-of` prints when its events are lost."""
    return python(
        environment,
        "from datetime import datetime; from tasks.monitoring import check_records; from flows.monitor import monitor\n"
        f"check_records.announce = lambda *_, **__: None; print(monitor(datetime.fromisoformat({as_of!r})))",
    )


@contextmanager
def client_of(environment) -> Generator[SyncPrefectClient]:
    """A client of the stack's server."""
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        yield client


@contextmanager
def held(workspace, what: str) -> Generator[None]:
    """Hold a lock that a flow needs: a run that comes to it stays Running in the middle of its work."""
    file = Path(workspace) / "cache" / "locks" / f"{what.replace(' ', '-')}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file, timeout=WAIT):
        yield


def runs(environment, name: str) -> list[dict]:
    """Id, state and parameters of the runs of a deployment, oldest first."""
    with client_of(environment) as client:
        chosen = DeploymentFilter.model_validate({"id": {"any_": [str(client.read_deployment_by_name(name).id)]}})
        found = client.read_flow_runs(deployment_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    return [
        {
            "id": str(run.id),
            "name": run.name,
            "state": "Completed" if run.state.is_completed() else run.state.name,
            "outcome": run.state.name,
            "parameters": run.parameters,
            "auto": run.auto_scheduled,
            "due": run.expected_start_time <= datetime.now(UTC),
        }
        for run in found
    ]


def pause_schedules(environment) -> None:
    """No schedule starts a run any more: what a test counts does not depend on the time of day."""
    with client_of(environment) as client:
        for deployment in client.read_deployments():
            for schedule in deployment.schedules:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def states(environment, name: str) -> list[str]:
    """The states of the runs of a deployment that no schedule made, oldest first."""
    return [run["state"] for run in runs(environment, name) if not run["auto"]]


def is_idle(environment, name: str) -> bool:
    """Whether all runs of a deployment that no schedule made are over."""
    return set(states(environment, name)) <= OVER


def wait_for(what: Callable[[], bool], seconds: float = WAIT) -> None:
    """Return when it holds; fail if it never does. A Prefect server on SQLite may stand still for two minutes."""
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, f"waited {seconds} s in vain"
        time.sleep(1)


def processes_of(workspace, words: str = "") -> list[int]:
    """The processes that work in a workspace and were started with these words; this one aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            own = f"WORKSPACE={workspace}".encode() in (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if own and words in command and command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def kill(workspace, words: str = "") -> bool:
    """SIGKILL for the processes of a workspace that were started with these words; False if there was none."""
    found = processes_of(workspace, words)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return bool(found)


def read_until(process, words: str) -> str:
    """What it printed until it said these words."""
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, f"it ended after saying: {said}"
        said += line
    return said
