"""Consume the streams: messages become rows of the landing place: ml consume"""

from prefect import flow

from flows.ingest import ingest
from tasks.core.errors import first_line
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.sources.consuming import consuming
from tasks.features.table import POLARS_ERRORS
from tasks.operations.landing_page import end_consumption
from tasks.operations.naming import name_run
from tasks.operations.options import Given, read_given


@flow(log_prints=True, flow_run_name=name_run)
def consume(
    source: str | None = None,
    with_ingest: bool = False,
    skip_lost: bool = False,
    once: bool = False,
    params: Params = Prefilled.read(),
) -> int:
    """Land what streams bring, each minute, until it is stopped.

    Args:
        source: The only one to consume; left out, all streams.
        with_ingest: Take in what landed, too, as often as ingest.every says.
        skip_lost: Go on after messages that the broker has dropped before they were read.
        once: End when all that is there has landed.
        params: What is changed here wins over params.yaml, for this run only.

    Returns:
        How many rows landed.
    """
    params = params.current()
    with consuming(params, load_tables(), source, skip_lost, once) as streams:
        while streams.wait(params.ingest.every):
            if with_ingest:
                take_in_now(params)
    if with_ingest:
        take_in_now(params)
    return end_consumption(streams.rows, streams.troubles)


def start(
    source: str | None = None,
    /,
    *,
    ingest: bool = False,
    skip_lost: bool = False,
    once: bool = False,
    given: Given = None,
) -> None:
    """Land what streams bring, each minute, until Ctrl-C.

    Args:
        source: The only one to consume; left out, all streams.
        ingest: Take in what landed, too, every five minutes (ingest.every).
        skip_lost: Go on after messages that the broker has dropped before they were read.
        once: End when all that is there has landed.
    """
    from flows.cli import run_flow

    run_flow("consume", source, ingest, skip_lost, once, params=read_given("", given))


def take_in_now(params: Params) -> None:
    """Take in what landed; what hinders it hinders no stream."""
    try:
        ingest(params)
    except (Exception, *POLARS_ERRORS) as error:  # the run of ingest failed with it, too
        print(first_line(error))


if __name__ == "__main__":
    from flows.cli import main

    main("consume")
