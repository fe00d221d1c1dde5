"""Close runs whose process is gone, and cancel those that a newer one makes needless, so that none is in the way."""

from datetime import timedelta

from prefect import flow

from tasks.operations.missed_runs import cancel_missed_runs
from tasks.operations.stale_runs import close_lost_runs


@flow(log_prints=True)
def tidy(patience: int = 600) -> list[str]:
    """Call runs crashed that show no sign of life; after a time without a worker, cancel all but the newest missed run.

    Args:
        patience: Seconds without a sign of life; a run sends one every 30 s.

    Returns:
        The names of the crashed runs.
    """
    print(f"{cancel_missed_runs()} missed runs cancelled")
    closed = close_lost_runs(timedelta(seconds=patience))
    print(f"closed {', '.join(closed)}" if closed else "no run is lost")
    return closed
