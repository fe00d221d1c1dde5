"""A storm of events, a server that comes back, a machine that slept: on a real server, work is done once."""

import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from receivers import python
from stacks import OVER, flow, is_idle, kill, prefect, restart, running_stack, runs, states, wait_for

from stack.local_stack import deploy, start_worker

pytestmark = [pytest.mark.server, pytest.mark.slow]

THROTTLE = 10  # seconds: within of the trigger
WEEKEND = ("ingest/ingest-hourly", "predict/predict-daily", "monitor/monitor-daily", "tidy/tidy-hourly")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack whose champion is from April, and which knows of August's drift, whose event was lost."""
    with running_stack(tmp_path_factory.mktemp("nights") / "workspace") as environment:
        flow(environment, "flows.train", "--as-of", "2013-04-01")
        assert prefect(environment, "automation", "pause", "train on drift").returncode == 0
        assert "ALARM" in flow(environment, "flows.monitor", "--as-of", "2013-08-01")
        assert prefect(environment, "automation", "resume", "train on drift").returncode == 0
        yield environment


def test_a_storm_over_many_windows_an_event_in_between_and_a_replay_after_a_restart_give_one_training(stack):
    drift = ["--param", "as_of=2013-08-01", "--param", "window=2013-08-01", "--param", "cause=drift"]
    cooled = ["--param", 'params={"retrain": {"cooldown": "130d"}}', "--watch"]
    assert prefect(stack, "deployment", "run", "train/train-on-drift", *drift, *cooled).returncode == 0
    assert "cooldown: the last training or rollback was as of 2013-04-01" in flow(stack, "flows.refusals")
    emit(stack, *["2013-08-01", "2013-07-01", "2013-06-01", "2013-05-01"] * 250)
    wait_for(lambda: "Running" in states(stack, "train/train-on-drift"))
    wait_for(lambda: is_heard(stack, "2013-08-01"))
    wait_for(lambda: is_idle(stack, "train/train-on-drift"))
    assert count_trainings(stack) == 2 and len(states(stack, "train/train-on-drift")) <= 4
    refused = count_refusals(stack, "the drift of window 2013-08-01 has its verdict")
    restart(stack)
    wait_for(lambda: is_heard(stack, "2013-08-01"))
    wait_for(lambda: is_idle(stack, "train/train-on-drift"))
    assert count_trainings(stack) == 2
    assert count_refusals(stack, "the drift of window 2013-08-01 has its verdict") > refused > 0


def test_after_a_weekend_asleep_most_missed_runs_are_cancelled_and_the_work_is_done_once(stack):
    kill(stack["WORKSPACE"], "prefect worker")
    trained = count_trainings(stack)
    land_flights(stack)
    miss_runs(stack, WEEKEND)
    start_worker(stack)
    wait_for(lambda: not any(due(stack, name) for name in WEEKEND))
    for name in WEEKEND:
        ended = [run["state"] for run in runs(stack, name) if run["auto"] and run["state"] in OVER]
        assert set(ended) == {"Completed", "Cancelled"} and ended.count("Cancelled") > 10, (name, ended)
    stored = pl.read_parquet(Path(stack["WORKSPACE"]) / "data" / "flights" / "*.parquet")
    assert stored.filter(pl.col("flight") == 9001).height == 100
    predicted = pl.read_parquet(Path(stack["WORKSPACE"]) / "store" / "predictions" / "*" / "*.parquet")
    assert predicted["key"].is_unique().all()
    assert count_trainings(stack) == trained


def miss_runs(environment, names: tuple[str, ...]) -> None:
    """Let runs of each deployment come due, 2 s apart, then bring the schedules back in line."""
    with temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        for name in names:
            often = IntervalSchedule(interval=timedelta(seconds=2))
            client.create_deployment_schedules(client.read_deployment_by_name(name).id, [(often, True)])
    wait_for(lambda: len(due(environment, names[-1])) >= 16)
    deploy(environment)


def due(environment, name: str) -> list[dict]:
    """Runs of the schedule that should have started and are not over."""
    return [run for run in runs(environment, name) if run["auto"] and run["due"] and run["state"] not in OVER]


def emit(environment, *windows: str) -> None:
    """Emit data.drifted for each of these windows, a thousand within 10 seconds."""
    code = f"""
import time
from prefect.events import emit_event
for window in {windows}:
    labels = {{"prefect.resource.id": f"model.late-arrivals.{{window}}", "model": "late-arrivals"}}
    emit_event("data.drifted", labels, payload={{"window": window, "as_of": f"{{window}}T00:00:00+00:00"}})
    time.sleep(0.002)
"""
    python(environment, code)


def is_heard(environment, window: str) -> bool:
    """Emit data.drifted of this window, and tell whether a run came of it: the trigger may be muted by a storm."""

    def heard() -> int:
        return sum(run["parameters"].get("window") == window for run in runs(environment, "train/train-on-drift"))

    before = heard()
    emit(environment, window)
    time.sleep(THROTTLE)
    return heard() > before


def count_refusals(environment, reason: str) -> int:
    return flow(environment, "flows.refusals").count(reason)


def count_trainings(environment) -> int:
    return int(
        python(
            environment,
            "from tasks.registry.decision_log import find_records as f; print(len(f('late-arrivals', 'training')))",
        )
    )


def land_flights(environment) -> None:
    """Let a hundred flights of a new number land."""
    workspace = Path(environment["WORKSPACE"])
    flow(environment, "flows.ingest")
    rows = pl.read_parquet(workspace / "data" / "flights" / "2013-12.parquet")
    rows = rows.with_columns(flight=pl.lit(9001, pl.Int16), carrier=pl.lit("UA"))
    (workspace / "landing" / "flights").mkdir(parents=True)
    rows.unique(["time_hour", "minute", "origin"]).head(100).write_parquet(
        workspace / "landing" / "flights" / "weekend.parquet"
    )
