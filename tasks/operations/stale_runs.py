"""Zombie runs, which would stay Running for ever, and missed runs, which a newer run of their schedule replaces.

Only runs of the work pool whose worker started the present run are judged; others belong to somebody else.
"""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.runtime import deployment, flow_run
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Crashed

IN_FLIGHT = ("PENDING", "RUNNING", "CANCELLING")


@task
def close_lost_runs(patience: timedelta) -> list[str]:
    """Mark runs without a recent heartbeat as Crashed; returns their names."""
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


@task
def cancel_missed_runs() -> int:
    """Cancel all but the newest missed run of each schedule that needs no more than one; returns how many.

    A deployment says so by `collision_strategy: CANCEL_NEW`. Runs that somebody asked for are left alone.
    """
    count = 0
    with get_client(sync_client=True) as client:
        while cancelled := [run for run in find_missed(client) if cancel(client, run)]:
            count += len(cancelled)
    return count


def cancel(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Cancel a run that no worker took meanwhile; returns whether it did."""
    state = client.read_flow_run(run.id).state
    if state is None or not state.is_scheduled():
        return False
    client.set_flow_run_state(run.id, Cancelled(message="missed: a newer run of the schedule is waiting"))
    return True


def find_missed(client: SyncPrefectClient) -> list[FlowRun]:
    """Those of the newest 200 missed runs that a newer run of the same schedule replaces."""
    late = [run for run in pool_runs(client, own_pool(client), "SCHEDULED") if run.auto_scheduled]
    enough = {found for found in {run.deployment_id for run in late} if found and one_is_enough(client, found)}
    newest = {(run.deployment_id, str(run.parameters)): run.id for run in reversed(late)}
    return [run for run in late if run.deployment_id in enough and run.id not in newest.values()]


def one_is_enough(client: SyncPrefectClient, deployment_id: UUID) -> bool:
    """Whether a deployment cancels what comes while a run is at work; tidy does not: a zombie run would block it."""
    if str(deployment_id) == deployment.id:
        return True
    options = client.read_deployment(deployment_id).concurrency_options
    return options is not None and options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW


def own_pool(client: SyncPrefectClient) -> str | None:
    """The name of the pool whose worker started this run."""
    return client.read_flow_run(UUID(flow_run.id)).work_pool_name


def pool_runs(client: SyncPrefectClient, pool: str | None, *states: str) -> list[FlowRun]:
    """The newest 200 runs of a pool that were due and are in one of these states."""
    due = {"state": {"type": {"any_": list(states)}}, "expected_start_time": {"before_": datetime.now(UTC)}}
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(due),
        work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [pool] if pool else []}}),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
