"""Runs whose process is gone: they would stay Running for ever and keep the only slot of their deployment."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.runtime import flow_run
from prefect.states import Crashed

PULSE_SECONDS = 35  # a run sends a heartbeat every 30 s


@task
def close_lost_runs(patience: timedelta) -> list[str]:
    """Call crashed what was about to start or at work, and gave no sign of life for so long; returns the names."""
    why = f"no sign of life for {patience.total_seconds():g} s: its process or its worker is gone"
    with get_client(sync_client=True) as client:
        lost = find_lost(client, datetime.now(UTC) - patience)
        if lost:
            time.sleep(PULSE_SECONDS)  # after the sleep of a machine, a run that lives sends its next one
            still = {run.id for run in find_lost(client, datetime.now(UTC) - patience)}
            lost = [run for run in lost if run.id in still]
        for run in lost:
            client.set_flow_run_state(run.id, Crashed(message=why), force=True)
    return [run.name for run in lost]


def find_lost(client: SyncPrefectClient, since: datetime) -> list[FlowRun]:
    """Runs that have been in flight since, without a heartbeat."""
    found = pool_runs(client, "PENDING", "RUNNING", "CANCELLING")
    old = [run for run in found if run.state and run.state.timestamp < since]
    return [run for run in old if not has_pulse(client, run, since)]


def pool_runs(client: SyncPrefectClient, *states: str) -> list[FlowRun]:
    """The newest 200 runs in some states that were due, of the work pool of this run; other pools are not ours."""
    due = {"state": {"type": {"any_": list(states)}}, "expected_start_time": {"before_": datetime.now(UTC)}}
    pool = {"name": {"any_": [client.read_flow_run(UUID(flow_run.id)).work_pool_name]}}
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(due),
        work_pool_filter=WorkPoolFilter.model_validate(pool),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )


def has_pulse(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """Whether a run sent a heartbeat since."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        occurred=EventOccurredFilter(since=since),
    )
    return bool(client.read_events(heartbeats, limit=1).events)
