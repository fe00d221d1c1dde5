"""Runs whose process is gone: they would stay Running for ever and keep the only slot of their deployment."""

from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.states import Crashed

from tasks.stopping import in_flight


@task
def close_lost_runs(patience: timedelta) -> list[str]:
    """Call crashed what was about to start or at work, and gave no sign of life for so long; returns the names."""
    since, closed = datetime.now(UTC) - patience, []
    with get_client(sync_client=True) as client:
        for run in in_flight(client):
            if run.state and run.state.timestamp < since and not has_pulse(client, run, since):
                why = f"no sign of life for {patience.total_seconds():g} s: its process or its worker is gone"
                client.set_flow_run_state(run.id, Crashed(message=why), force=True)
                closed.append(run.name)
    return closed


def has_pulse(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    """Whether a run sent a heartbeat since."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        occurred=EventOccurredFilter(since=since),
    )
    return bool(client.read_events(heartbeats, limit=1).events)
