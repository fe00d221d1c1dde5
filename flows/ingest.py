"""Take in what landed: into the data, or into quarantine: ml ingest"""

from prefect import flow

from tasks.core.locks import exclusive
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.deliveries import open_news
from tasks.data.landing import LandingPlace
from tasks.data.ledger import read_ledger
from tasks.data.publish import adopt_version, publish_version
from tasks.data.push import commit_and_push
from tasks.data.take_in import take_in
from tasks.data.working_copy import place_version, refuse_edits
from tasks.operations.landing_page import end_landing, tell_bad, tell_landed, tell_unusual
from tasks.operations.naming import name_run
from tasks.operations.serving import hand_over_contexts


@flow(log_prints=True, flow_run_name=name_run)
def ingest(params: Params = Prefilled.read()) -> str:
    """Check new files against the contract and make their rows part of a new data version.

    Args:
        params: What is changed here wins over params.yaml, for this run only.

    Returns:
        The current data version.
    """
    params = params.current()
    tables = load_tables()
    with exclusive("ingest"):
        published = None
        while published is None:
            snapshot = adopt_version(params.data)
            refuse_edits()
            place = LandingPlace(params.ingest.source)
            place.recover()
            landing = take_in(
                snapshot, tables, open_news(place, tables, read_ledger(snapshot.files), params.data.timeout), params
            )
            tell_bad(landing)
            published = publish_version(snapshot, landing, "landed", params) if landing.changes else snapshot
        place_version(published)
        commit_and_push(published, params.ingest, params.data.timeout)
    hand_over_contexts(params.data, published)
    tell_landed(landing, published.version)
    unusual = tell_unusual(landing, params.validation.late)
    return end_landing(landing, unusual, params.ingest.source, published.version)


if __name__ == "__main__":
    from flows.cli import main

    main("ingest")
