"""Runs of a schedule that no worker took: after a weekend off there may be hundreds, and one does their work."""

from uuid import UUID

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun
from prefect.runtime import deployment
from prefect.states import Cancelled

from tasks.operations.pools import own_pool, pool_runs


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
    """Those of the newest 200 missed runs that a newer one makes needless."""
    late = [run for run in pool_runs(client, own_pool(client), "SCHEDULED") if run.auto_scheduled]
    enough = {found for found in {run.deployment_id for run in late} if found and one_is_enough(client, found)}
    newest = {(run.deployment_id, str(run.parameters)): run.id for run in reversed(late)}
    return [run for run in late if run.deployment_id in enough and run.id not in newest.values()]


def one_is_enough(client: SyncPrefectClient, deployment_id: UUID) -> bool:
    """Whether a deployment cancels what comes while a run is at work; tidy does not, for a dead run would bar it."""
    if str(deployment_id) == deployment.id:
        return True
    options = client.read_deployment(deployment_id).concurrency_options
    return options is not None and options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW
