"""Read the sources, and take in what landed: into the data, or into quarantine: ml ingest"""

from prefect import flow

from tasks.core.locks import exclusive
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.deliveries import open_news
from tasks.data.ledger import read_ledger
from tasks.data.publish import adopt_version, publish_version
from tasks.data.push import commit_and_push
from tasks.data.snapshot import Snapshot
from tasks.data.sources.counts import find_deleted
from tasks.data.sources.declared import open_places
from tasks.data.sources.reading import Round, read_sources
from tasks.data.take_in import Landing, join_landings, take_in
from tasks.data.working_copy import place_version, refuse_edits
from tasks.features.table import Tables
from tasks.operations.landing_page import end_landing, tell_bad, tell_landed, tell_unusual
from tasks.operations.naming import name_run
from tasks.operations.serving import hand_over_contexts


@flow(log_prints=True, flow_run_name=name_run)
def ingest(params: Params = Prefilled.read()) -> str:
    """Read the sources, check what landed against the contract, and make it part of a new data version.

    Args:
        params: What is changed here wins over params.yaml, for this run only.

    Returns:
        The current data version.
    """
    params = params.current()
    tables, landings = load_tables(), []
    with exclusive("ingest"):
        snapshot = adopt_version(params.data)
        refuse_edits()
        for part in read_sources(params, tables, read_ledger(snapshot.files)):
            landing, snapshot = land(snapshot, tables, params, part)
            landings.append(landing)
    deleted = find_deleted(params, tables, snapshot)
    landing = join_landings(landings)
    unusual = tell_unusual(landing, params.validation.late, deleted)
    return end_landing(landing, unusual, params.ingest.landing, snapshot.version)


def land(snapshot: Snapshot, tables: Tables, params: Params, part: Round) -> tuple[Landing, Snapshot]:
    """Take in what landed, and hand it over to the endpoints; again where another machine was first."""
    published = None
    while published is None:
        places = open_places(params, tables)
        places.landing.recover()
        news = open_news(places, tables, read_ledger(snapshot.files), part.unread)
        landing = take_in(snapshot, tables, news, params)
        landing.troubles.extend(part.troubles)
        tell_bad(landing)
        published = publish_version(snapshot, landing, "landed", params) if landing.changes else snapshot
        snapshot = published or adopt_version(params.data)
    place_version(published)
    commit_and_push(published, params.ingest, params.data.timeout)
    hand_over_contexts(params.data, published)
    tell_landed(landing, published.version)
    return landing, published


if __name__ == "__main__":
    from flows.cli import main

    main("ingest")
