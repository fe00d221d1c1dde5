"""Worker, flow process and server are killed in turn while the loop runs; nothing is lost, doubled or left hanging."""

import os
import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from prefect.client.schemas.filters import FlowRunFilter
from receivers import hasten
from stacks import client_of, flow, kill, processes_of, wait_for
from stores import check_registry, use_workspace

from demo import rehearsal
from stack.local_stack import clean_environment, deploy, free_port, make_workspace, start_server, start_worker, stop
from tasks.core.tables import read_rows
from tasks.inference.prediction_log import PREDICTIONS
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Checked, Judged

pytestmark = [pytest.mark.server, pytest.mark.chaos]

MODEL, KILLS = "late-arrivals", 20
ROUND = (
    "tidy/tidy-hourly",
    "ingest/ingest-hourly",
    "predict/predict-daily",
    "monitor/monitor-daily",
    "train/train-weekly",
)
PATIENCE = 40
WORDS = {"server": "prefect server start", "worker": "prefect worker start", "flow": "prefect.engine"}
ACTIVE = ["PENDING", "RUNNING", "CANCELLING", "SCHEDULED"]
KEY = ["time_hour", "minute", "carrier", "flight", "origin"]
FIRST, LAST = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 6, 2, tzinfo=UTC)


def schedule_round(environment) -> None:
    """One scheduled round: a run of each deployment, now."""
    with client_of(environment) as client:
        chosen = [client.read_deployment_by_name(name).id for name in ROUND]
        client.create_flow_run_from_deployment(chosen[0], parameters={"patience": PATIENCE})
        for deployment in chosen[1:]:
            client.create_flow_run_from_deployment(deployment)


def strike(environment, workspace, words: str) -> None:
    """SIGKILL for a part of the loop; where no flow process is at work, rounds are scheduled until there is one."""
    for _ in range(8):
        if kill(workspace, words):
            return
        schedule_round(environment)
        with suppress(AssertionError):
            wait_for(lambda: bool(processes_of(workspace, words)), 20)
    raise AssertionError(f"eight rounds started no {words}")


def active_runs(environment, states=ACTIVE) -> list:
    """Runs that are not over, those of the schedules to come aside."""
    chosen = FlowRunFilter.model_validate({"state": {"type": {"any_": states}}})
    with client_of(environment) as client:
        return [run.name for run in client.read_flow_runs(flow_run_filter=chosen) if not run.auto_scheduled]


def test_twenty_kills_of_the_running_loop_lose_and_double_nothing(tmp_path, snapshot):
    usual, workspace = Path(os.environ["WORKSPACE"]), make_workspace(tmp_path / "workspace")
    port, chance = free_port(), random.Random(20)
    settings = {"PARAMS_TUNING__N_TRIALS": "1", "PARAMS_MONITOR__REPORT": "never", "PARAMS_PREDICT__BACKLOG": "90d"}
    environment = clean_environment(workspace, **settings)  # two months pass in minutes: the backlog holds them all
    environment |= {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    use_workspace(workspace)
    tables = rehearsal.read_sample(snapshot)
    rehearsal.open_season(snapshot, tables, FIRST)
    start = {"server": lambda: start_server(environment, port), "worker": lambda: start_worker(environment)}
    living = {"server": start["server"]()}
    try:
        deploy(environment)
        hasten(environment, "run without a pulse is called crashed", 120)
        living["worker"] = start["worker"]()
        flow(environment, "flows.train", "--as-of", "2013-04-01")
        days = [FIRST + (LAST - FIRST) * step / KILLS for step in range(KILLS + 1)]
        for number, (before, day) in enumerate(zip(days, days[1:], strict=False)):
            rehearsal.deliver(tables, before, day)
            if not processes_of(workspace, WORDS["flow"]):
                schedule_round(environment)
            time.sleep(chance.uniform(0.5, 5))
            part = list(WORDS)[number % len(WORDS)]
            strike(environment, workspace, WORDS[part])
            if part in start:
                stop(living[part])
                living[part] = start[part]()
        time.sleep(PATIENCE)
        for _ in range(2):
            schedule_round(environment)
            wait_for(lambda: not active_runs(environment))
        check_loop(workspace, environment, tables)
    finally:
        for process in reversed(living.values()):
            stop(process)
        kill(workspace)
        use_workspace(usual)


def check_loop(workspace, environment, tables) -> None:
    """What must hold of the workspace after all that."""
    assert active_runs(environment, ["RUNNING", "PENDING", "CANCELLING"]) == []
    data = pl.read_parquet(workspace / "data" / "flights" / "*.parquet")
    expected = tables["flights"].filter(rehearsal.FLIGHTS.event_time < LAST)
    assert data.select(KEY).is_unique().all() and data.height == expected.height
    predicted = read_rows(PREDICTIONS)
    assert predicted["key"].is_unique().all()
    span = pl.col("event_time").is_between(FIRST, LAST - timedelta(days=1), closed="left")
    due = expected.with_columns(event_time=rehearsal.FLIGHTS.event_time).filter(span)
    assert predicted.filter(span).height == due.height
    check_registry(MODEL)
    log = read_log(MODEL)
    found = [(entry.window, entry.version, entry.findings, str(entry.check)) for entry in log.of(Checked)]
    assert len(found) == len(set(found))
    assert "2013-06-01" in {entry.window for entry in log.of(Checked)}
    windows = [entry.window for entry in log.of(Judged) if entry.cause == "drift"]
    assert len(windows) == len(set(windows))
