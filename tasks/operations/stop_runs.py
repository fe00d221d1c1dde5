"""Cancel the runs in flight of the local stack, mark the rest Crashed: python -m tasks.operations.stop_runs"""

import time

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Crashed

from tasks.operations.stale_runs import IN_FLIGHT, pool_runs

GRACE_SECONDS = 15


def in_flight(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of the pool of the local stack that a process is at work on."""
    return pool_runs(client, "local", *IN_FLIGHT)


def stop_runs() -> None:
    with get_client(sync_client=True) as client:
        for run in in_flight(client):
            client.set_flow_run_state(run.id, Cancelling(message="the local stack was stopped"))
        give_up = time.monotonic() + GRACE_SECONDS
        while in_flight(client) and time.monotonic() < give_up:
            time.sleep(0.5)
        for run in in_flight(client):
            client.set_flow_run_state(run.id, Crashed(message="the local stack was stopped"), force=True)


if __name__ == "__main__":
    stop_runs()
