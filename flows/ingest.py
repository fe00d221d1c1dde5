"""Take in what landed: into the data, or into quarantine: ml ingest"""

from prefect import flow

from tasks.core.events import rejections_announced
from tasks.core.locks import exclusive
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.merge import merge_landed
from tasks.data.publish import commit_and_push, place_version, publish_version, refuse_edits
from tasks.data.snapshot import pull_snapshot
from tasks.data.sources import read_landed
from tasks.operations.landing_page import landing_page, tell_landed
from tasks.operations.naming import name_run
from tasks.operations.run_end import end_as


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
        with rejections_announced("data.landing"):
            snapshot = pull_snapshot(None, params.data)
            refuse_edits()
            landed = read_landed(params.ingest.source, tables, snapshot, params.data.timeout)
            files, changes = merge_landed(snapshot, tables, landed, params.validation)
            if landed:
                snapshot = publish_version(snapshot, files, landed)
                tell_landed(tables, changes, landed, snapshot.version)
        place_version(snapshot)
        commit_and_push(snapshot, params.ingest, params.data.timeout)
    if not landed:
        return end_as("NothingNew", f"nothing new in {params.ingest.source}", snapshot.version)
    told = f"{len(landed)} files are in data version {snapshot.version}"
    return end_as("Landed", told, snapshot.version, landing_page(changes))


if __name__ == "__main__":
    from flows.cli import main

    main("ingest")
