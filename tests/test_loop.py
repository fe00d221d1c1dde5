"""The loop on a real server: a check finds drift, its event starts a training through the worker, the gate decides."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tasks.stack import ROOT, clean_environment, deploy, make_workspace, prefect_server, worker

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A workspace with server, deployments and worker: the environment of a user's second terminal."""
    workspace = make_workspace(tmp_path_factory.mktemp("loop") / "workspace")
    environment = clean_environment(workspace, PARAMS_TUNING__N_TRIALS="1", PARAMS_MONITOR__REPORT="never")
    with prefect_server(environment) as address:
        environment |= {"PREFECT_API_URL": address}
        deploy(environment)
        with worker(environment):
            yield environment


def prefect(environment, *command: str) -> subprocess.CompletedProcess[str]:
    full = [sys.executable, "-m", "prefect", *command]
    return subprocess.run(full, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)


def flow(environment, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def runs(environment, name: str) -> list[dict]:
    """State and parameters of the runs of a deployment, oldest first."""
    code = f"""
import json
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.sorting import FlowRunSort
with get_client(sync_client=True) as client:
    found = client.read_deployment_by_name({name!r})
    chosen = DeploymentFilter.model_validate({{"id": {{"any_": [str(found.id)]}}}})
    read = client.read_flow_runs(deployment_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_ASC)
    told = [{{"state": run.state.name, "parameters": run.parameters, "auto": run.auto_scheduled}} for run in read]
    print(json.dumps(told, default=str))
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    """Return when it holds; fail if it never does."""
    give_up = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < give_up, f"waited {seconds} s in vain"
        time.sleep(1)


def states(environment, name: str) -> list[str]:
    return [run["state"] for run in runs(environment, name) if not run["auto"]]


def test_every_deployment_exists_and_the_scheduled_ones_have_runs_ahead(stack):
    for name in ("ingest/hourly", "predict/daily", "monitor/daily", "train/weekly"):
        wait_for(lambda name=name: any(run["auto"] for run in runs(stack, name)))
    assert [runs(stack, name) for name in ("train/on-drift", "rollback/on-degraded")] == [[], []]


def test_one_turn_from_drift_to_verdict(stack):
    flow(stack, "flows.train", "--as-of", "2013-04-01")
    flow(stack, "flows.predict", "--as-of", "2013-06-01")
    said = flow(stack, "flows.monitor", "--as-of", "2013-06-01")
    assert "2 columns drifted: temp, flights_of_hour" in said and "ALARM" in said
    wait_for(lambda: states(stack, "train/on-drift") == ["Completed"])
    (run,) = runs(stack, "train/on-drift")
    assert run["parameters"]["window"] == "2013-06-01" and run["parameters"]["cause"] == "drift"
    assert "the drift of window 2013-06-01 has its verdict" not in flow(stack, "flows.refusals")
    nothing = flow(stack, "flows.train", "--as-of", "2013-06-01")
    assert "nothing new since version 2 was trained: it stands, promote" in nothing


def test_a_repeated_event_and_the_schedule_find_the_window_answered(stack):
    payload = json.dumps({"window": "2013-06-01", "as_of": "2013-06-01T00:00:00+00:00"})
    emit = ["event", "emit", "data.drifted", "--resource-id", "model.late-arrivals.again", "--payload", payload]
    assert prefect(stack, *emit).returncode == 0
    wait_for(lambda: states(stack, "train/on-drift") == ["Completed", "Completed"])
    done = prefect(stack, "deployment", "run", "train/weekly", "--param", "as_of=2013-06-01", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    refusals = flow(stack, "flows.refusals").splitlines()
    assert [line.split()[1] for line in refusals] == ["schedule", "drift"]
    assert all("the drift of window 2013-06-01 has its verdict" in line for line in refusals)


@pytest.mark.slow
def test_the_schedule_answers_drift_whose_event_was_lost(stack):
    flow(stack, "flows.train", "--as-of", "2013-04-01")
    assert prefect(stack, "automation", "pause", "train on drift").returncode == 0
    assert "ALARM" in flow(stack, "flows.monitor", "--as-of", "2013-06-01")
    assert prefect(stack, "automation", "resume", "train on drift").returncode == 0
    assert states(stack, "train/on-drift") == []
    done = prefect(stack, "deployment", "run", "train/weekly", "--param", "as_of=2013-06-01", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing new since version 2" in flow(stack, "flows.train", "--as-of", "2013-06-01")


@pytest.mark.slow
def test_every_deployment_runs_from_the_command_line_and_says_what_is_wrong(stack):
    def run(name: str, *params: str) -> subprocess.CompletedProcess[str]:
        given = [part for param in params for part in ("--param", param)]
        return prefect(stack, "deployment", "run", name, *given, "--watch")

    assert run("train/weekly", "as_of=2013-04-02", "cause=hand").returncode == 0
    assert run("ingest/hourly").returncode == 0
    assert run("predict/daily", "as_of=2013-05-02").returncode == 0
    assert run("monitor/daily", "as_of=2013-05-02").returncode == 0
    assert run("train/on-drift", "as_of=2013-05-02", "window=2013-05-01").returncode == 0
    wrong = run("train/weekly", "as_of=yesterday")
    assert wrong.returncode == 1 and "as_of" in wrong.stdout + wrong.stderr
    missing = run("train/weekly", "trials=3")
    assert missing.returncode == 1 and "trials" in missing.stdout + missing.stderr
    early = run("predict/daily", "as_of=2013-01-02")
    assert early.returncode == 1
