"""Keep the house in order: zombie runs, superseded scheduled runs, tables of many small files, what MLflow lost."""

from datetime import timedelta

from prefect import flow

from tasks.core.tables import tidy_table
from tasks.core.use_case import list_models
from tasks.operations.backup import TABLES
from tasks.operations.home_page import refresh_home_page
from tasks.operations.run_end import end_as
from tasks.operations.serving import tidy_serving
from tasks.operations.stale_runs import cancel_missed_runs, close_lost_runs
from tasks.registry.decision_log import read_log
from tasks.registry.tracking import mirror


@flow(log_prints=True)
def tidy(patience: int = 600) -> list[str]:
    """Mark runs without a recent heartbeat as Crashed; cancel all but the newest missed run of each schedule.

    It also compacts the tables of the store, takes in what endpoints answered, hands over to them what a killed run did
    not, and makes again what is missing in MLflow.

    Args:
        patience: Seconds without a sign of life; a run sends one every 30 s.

    Returns:
        The names of the crashed runs.
    """
    missed, closed = cancel_missed_runs(), close_lost_runs(timedelta(seconds=patience))
    for table in TABLES:
        tidy_table(table)
    for model in list_models():
        mirror(read_log(model), whole=True)
    tidy_serving()
    refresh_home_page()
    told = f"{missed} missed runs cancelled, {len(closed)} lost ones closed {', '.join(closed)}"
    return end_as("Tidied", told.strip(), closed)


if __name__ == "__main__":
    from flows.cli import main

    main("tidy")
