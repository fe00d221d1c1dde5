"""Close runs whose process is gone, so that they do not block the next ones."""

from datetime import timedelta

from prefect import flow

from tasks.lost_runs import close_lost_runs


@flow(log_prints=True)
def tidy(patience: int = 300) -> list[str]:
    """Call runs crashed that show no sign of life.

    Args:
        patience: Seconds without a sign of life; a run sends one every 30 s.

    Returns:
        The names of those runs.
    """
    closed = close_lost_runs(timedelta(seconds=patience))
    print(f"closed {', '.join(closed)}" if closed else "no run is lost")
    return closed
