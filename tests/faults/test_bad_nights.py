"""A storm of events, a server that comes back, a machine that slept: on a real server, work is done once."""

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.filters import EventFilter, EventNameFilter
from stacks import (
    OVER,
    check_unheard,
    client_of,
    flow,
    is_idle,
    kill,
    prefect,
    python,
    restart,
    running_stack,
    runs,
    states,
    wait_for,
)

from stack.local_stack import deploy, start_worker

pytestmark = [pytest.mark.server, pytest.mark.slow]

DRIFT = "train/train-on-drift"
THROTTLE = 10  # seconds: within of the trigger
# Tidy comes due as early as the others, as after a real weekend: behind all of theirs a busy machine is late with it.
WEEKEND = ("tidy/tidy-hourly", "ingest/ingest-hourly", "predict/predict-daily", "monitor/monitor-daily")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack whose champion is from April, and which knows of August's drift, whose event was lost."""
    with running_stack(tmp_path_factory.mktemp("nights") / "workspace") as environment:
        flow(environment, "flows.train", "--as-of", "2013-04-01")
        assert "ALARM" in check_unheard(environment, "2013-08-01")
        yield environment


def test_a_storm_over_many_windows_an_event_in_between_and_a_replay_after_a_restart_give_one_training(stack):
    august = name_of(stack, "2013-08-01")
    drift = ["--param", f"event={august}", "--param", "cause=drift"]
    cooled = ["--param", 'params={"retrain": {"cooldown": "130d"}}', "--watch"]
    assert prefect(stack, "deployment", "run", DRIFT, *drift, *cooled).returncode == 0
    assert "cooldown: the last training or rollback was as of 2013-04-01" in flow(stack, "flows.refusals")
    began = time.monotonic()
    forged = [f"model.late-arrivals.{number}" for number in ("1", "99", "2013-07-01")]
    emit(stack, *[august, *forged] * 250, ago=60)
    wait_for(lambda: events(stack) >= 1000)
    sent = hear(stack, august, times=3)  # by hand, of the storm, and after it: by then the storm has been judged
    storm = time.monotonic() - began
    wait_for(lambda: is_idle(stack, DRIFT))
    assert count_trainings(stack) == 2
    more = int(storm // THROTTLE)  # of a storm that takes longer than the trigger waits
    assert len(states(stack, DRIFT)) <= 2 + sent + more  # by hand, for the storm, and for what came after
    assert count_refusals(stack, "the drift of window 2013-08-01 has its verdict") == 1  # however often it is asked for
    restart(stack)
    hear(stack, august, times=count_heard(stack, august) + 1)
    wait_for(lambda: is_idle(stack, DRIFT))
    assert count_trainings(stack) == 2
    assert count_refusals(stack, "the drift of window 2013-08-01 has its verdict") == 1
    assert count_refusals(stack, "names no check on record") <= len(forged)


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
    count = "from tasks.core.tables import read_rows; from tasks.inference.prediction_log import PREDICTIONS\n"
    count += "keys = read_rows(PREDICTIONS)['key']; print(keys.len(), keys.n_unique())"
    scored, keys = python(stack, count).split()
    assert scored == keys != "0"
    assert count_trainings(stack) == trained


def miss_runs(environment, names: tuple[str, ...]) -> None:
    """Let runs of each deployment come due, 2 s apart, then bring the schedules back in line."""
    with client_of(environment) as client:
        for name in names:
            often = IntervalSchedule(interval=timedelta(seconds=2))
            client.create_deployment_schedules(client.read_deployment_by_name(name).id, [(often, True)])
    wait_for(lambda: all(len(due(environment, name)) >= 20 for name in names))
    deploy(environment)


def due(environment, name: str) -> list[dict]:
    """Runs of the schedule that should have started and are not over."""
    return [run for run in runs(environment, name) if run["auto"] and run["due"] and run["state"] not in OVER]


def name_of(environment, window: str) -> str:
    """The id by which an event names the check of a window."""
    code = f"""
from tasks.registry.decision_log import read_log, resource_of
from tasks.registry.entries import Checked
log = read_log("late-arrivals")
print(next(resource_of(log.model, entry) for entry in log.of(Checked) if entry.window == "{window}"))
"""
    return python(environment, code).strip()


def emit(environment, *subjects: str, ago: int = 0) -> None:
    """Emit data.drifted for each of these subjects: all within 5 s of the events' own time, whenever they arrive."""
    code = f"""
from datetime import UTC, datetime, timedelta
from prefect.events import emit_event
start = datetime.now(UTC) - timedelta(seconds={ago})
for number, subject in enumerate({subjects}):
    labels = {{"prefect.resource.id": subject, "model": "late-arrivals"}}
    occurred = start + number * timedelta(milliseconds=5)
    payload = {{"window": "2013-12-01", "as_of": "2014-01-01T00:00:00+00:00"}}  # nobody believes it
    emit_event("data.drifted", labels, occurred=occurred, payload=payload)
"""
    python(environment, code)


def events(environment) -> int:
    """How many data.drifted the server holds."""
    with client_of(environment) as client:
        return client.read_events(EventFilter(event=EventNameFilter(name=["data.drifted"])), limit=1).total


def count_heard(environment, subject: str) -> int:
    """How many runs name this subject."""
    return sum(run["parameters"].get("event") == subject for run in runs(environment, DRIFT))


def hear(environment, subject: str, times: int) -> int:
    """Emit data.drifted of this subject until so many runs name it; returns how many were sent: some are muted."""
    sent = 0
    while count_heard(environment, subject) < times:
        assert sent < 20, "twenty events were not heard"
        emit(environment, subject)
        sent += 1
        with suppress(AssertionError):
            wait_for(lambda: count_heard(environment, subject) >= times, 3 * THROTTLE)
    return sent


def count_refusals(environment, reason: str) -> int:
    return flow(environment, "flows.refusals").count(reason)


def count_trainings(environment) -> int:
    code = "from tasks.registry.decision_log import read_log; print(len(read_log('late-arrivals').versions))"
    return int(python(environment, code))


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
