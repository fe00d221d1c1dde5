"""Mark zombie runs as Crashed and cancel superseded scheduled runs, so that neither blocks a deployment."""

from datetime import timedelta

from prefect import flow

from tasks.operations.stale_runs import cancel_missed_runs, close_lost_runs


@flow(log_prints=True)
def tidy(patience: int = 600) -> list[str]:
    """Mark runs without a recent heartbeat as Crashed; cancel all but the newest missed run of each schedule.

    Args:
        patience: Seconds without a sign of life; a run sends one every 30 s.

    Returns:
        The names of the crashed runs.
    """
    print(f"{cancel_missed_runs()} missed runs cancelled")
    closed = close_lost_runs(timedelta(seconds=patience))
    print(f"closed {', '.join(closed)}" if closed else "no run is lost")
    return closed
