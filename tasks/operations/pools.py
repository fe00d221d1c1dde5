"""The runs of a work pool; those of other pools of the server belong to somebody else."""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run

IN_FLIGHT = ("PENDING", "RUNNING", "CANCELLING")


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
