"""The loop on a real server: a check finds drift, its event starts a training through the worker, the gate decides."""

import json
import subprocess
from pathlib import Path

import pytest
from stacks import (
    check_unheard,
    client_of,
    flow,
    is_idle,
    pause_schedules,
    prefect,
    python,
    running_stack,
    runs,
    states,
    wait_for,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECRET = "not-for-anybody-to-read"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("loop") / "workspace", AWS_SECRET_ACCESS_KEY=SECRET) as environment:
        yield environment


def test_every_deployment_exists_and_the_scheduled_ones_have_runs_ahead(stack):
    for name in ("ingest/ingest-hourly", "predict/predict-daily", "monitor/monitor-daily", "train/train-weekly"):
        wait_for(lambda name=name: any(run["auto"] for run in runs(stack, name)))
    assert [runs(stack, name) for name in ("train/train-on-drift", "rollback/rollback-on-degraded")] == [[], []]


def test_one_turn_from_drift_to_verdict(stack):
    flow(stack, "flows.train", "--as-of", "2013-04-01")
    flow(stack, "flows.predict", "--as-of", "2013-06-01")
    said = flow(stack, "flows.monitor", "--as-of", "2013-06-01")
    assert "2 columns drifted: temp, flights_of_hour" in said and "ALARM" in said
    wait_for(lambda: states(stack, "train/train-on-drift") == ["Completed"])
    (run,) = runs(stack, "train/train-on-drift")
    assert run["name"] == "as of the newest data, cause drift, event model.late-arrivals.4"
    assert "the drift of window 2013-06-01 has its verdict" not in flow(stack, "flows.refusals")
    nothing = flow(stack, "flows.train", "--as-of", "2013-06-01")
    assert "nothing new since version 2 was trained: it stands, promote" in nothing


def test_a_repeated_event_and_the_schedule_find_the_window_answered(stack):
    payload = json.dumps({"window": "2013-07-01", "as_of": "2031-06-01T00:00:00+00:00"})  # nobody believes it
    emit = ["event", "emit", "data.drifted", "--resource-id", "model.late-arrivals.4", "--payload", payload]
    assert prefect(stack, *emit).returncode == 0
    wait_for(lambda: states(stack, "train/train-on-drift") == ["Completed", "Completed"])
    done = prefect(stack, "deployment", "run", "train/train-weekly", "--param", "as_of=2013-06-01", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    refusals = flow(stack, "flows.refusals").splitlines()
    assert [line.split()[3] for line in refusals[1:]] == ["schedule", "drift"]
    assert all("the drift of window 2013-06-01 has its verdict" in line for line in refusals[1:])
    assert [run["outcome"] for run in runs(stack, "train/train-on-drift")] == ["Promoted", "NotTrained"]
    assert "NotTrained" in done.stdout


def test_a_secret_of_the_environment_is_in_no_log_record_or_database(stack):
    files = [path for path in Path(stack["WORKSPACE"]).rglob("*") if path.is_file()]
    assert {"prefect.db", "mlflow.db", "worker.log", "server.log"} <= {path.name for path in files}
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_the_schedule_answers_drift_whose_event_was_lost(stack):
    flow(stack, "flows.train", "--as-of", "2013-04-01")
    before = states(stack, "train/train-on-drift")
    assert "ALARM" in check_unheard(stack, "2013-08-01")
    done = prefect(stack, "deployment", "run", "train/train-weekly", "--param", "as_of=2013-08-01", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing new since version" in flow(stack, "flows.train", "--as-of", "2013-08-01")
    assert states(stack, "train/train-on-drift") == before


def test_every_deployment_runs_from_the_command_line_and_says_what_is_wrong(stack):
    def run(name: str, *params: str) -> subprocess.CompletedProcess[str]:
        given = [part for param in params for part in ("--param", param)]
        return prefect(stack, "deployment", "run", name, *given)

    pause_schedules(stack)
    asked = {
        "train/train-by-hand": ["as_of=2013-08-02"],
        "train/train-weekly": ["as_of=2013-08-02"],
        "train/train-on-drift": ["as_of=2013-05-02", "event=model.late-arrivals.1"],
        "ingest/ingest-hourly": [],
        "predict/predict-daily": ["as_of=2013-06-02"],
        "monitor/monitor-daily": ["as_of=2013-06-02"],
        "tidy/tidy-hourly": [],
        "review/review-on-request": [],
        "rollback/rollback-on-degraded": ["reason=to see it work"],
    }
    for name, params in asked.items():
        assert run(name, *params).returncode == 0
    missing = run("train/train-weekly", "trials=3")
    assert missing.returncode == 1 and "trials" in missing.stdout + missing.stderr
    long = run("train/train-on-drift", f"event={'x' * 201}")
    assert long.returncode == 1 and "event" in long.stdout + long.stderr
    for name in asked:
        wait_for(lambda name=name: is_idle(stack, name))
        assert states(stack, name)[-1] == "Completed", name
    for as_of in ("yesterday", "2013-01-02"):
        wrong = prefect(stack, "deployment", "run", "predict/predict-daily", "--param", f"as_of={as_of}", "--watch")
        assert wrong.returncode == 1


def test_a_run_from_the_form_of_the_ui_has_the_settings_of_its_model_and_what_was_changed(stack):
    with client_of(stack) as client:
        schema = client.read_deployment_by_name("train/train-by-hand").parameter_openapi_schema
    form = schema["properties"]["params"]["default"]  # the UI sends all of it
    assert form["gate"]["minimum"] == {"roc_auc": 0.65, "skill": 0.05} and form["tuning"]["n_trials"] == 1
    form["tuning"]["n_trials"] = 2
    given = ("model=arrival-delay", "as_of=2013-04-01", f"params={json.dumps(form)}")
    asked = [part for param in given for part in ("--param", param)]
    assert prefect(stack, "deployment", "run", "train/train-by-hand", *asked, "--watch").returncode == 0
    code = """
import json
from tasks.registry.decision_log import read_log
from tasks.registry.versions import load_version
used = load_version(read_log("arrival-delay"), "1").card["params"]
print(json.dumps([used["gate"]["minimum"], used["tuning"]["n_trials"], used["seed"]]))
"""
    assert json.loads(python(stack, code)) == [{"r2": 0.03}, 2, 2013]
