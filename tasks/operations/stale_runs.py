"""Runs whose process is gone: they would stay Running for ever and keep the only slot of their deployment."""

import time
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.settings import get_current_settings
from prefect.states import Crashed

from tasks.operations.pools import IN_FLIGHT, own_pool, pool_runs


@task
def close_lost_runs(patience: timedelta) -> list[str]:
    """Call crashed what was about to start or at work, and gave no sign of life for so long; returns the names."""
    why = f"no sign of life for {patience.total_seconds():g} s: its process or its worker is gone"
    with get_client(sync_client=True) as client:
        lost = find_lost(client, datetime.now(UTC) - patience)
        if lost:
            time.sleep(5 + (get_current_settings().flows.heartbeat_frequency or 0))  # a run that lives sends its next
            still = {run.id for run in find_lost(client, datetime.now(UTC) - patience)}
            lost = [run for run in lost if run.id in still]
        for run in lost:
            client.set_flow_run_state(run.id, Crashed(message=why), force=True)
    return [run.name for run in lost]


def find_lost(client: SyncPrefectClient, since: datetime) -> list[FlowRun]:
    """Runs that have been in flight since, without a heartbeat."""
    found = pool_runs(client, own_pool(client), *IN_FLIGHT)
    old = [run for run in found if run.state and run.state.timestamp < since]
    return [run for run in old if not has_pulse(client, run, since)]


def has_pulse(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """Whether a run sent a heartbeat since."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        occurred=EventOccurredFilter(since=since),
    )
    return bool(client.read_events(heartbeats, limit=1).events)
