"""Take in what landed: into the data, or into quarantine: python -m flows.ingest"""

from prefect import flow

from tasks.core.errors import exit_on_input_error
from tasks.core.events import rejections_announced
from tasks.core.locks import exclusive
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.merge import merge_landed
from tasks.data.publish import commit_and_push, place_version, publish_version, refuse_edits
from tasks.data.snapshot import pull_snapshot
from tasks.data.sources import read_landed
from tasks.operations.artifacts import report_landing
from tasks.operations.naming import name_run


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
            if landed := read_landed(params.ingest.source, tables, snapshot, params.data.timeout):
                files, changes = merge_landed(snapshot, tables, landed, params.validation)
                snapshot = publish_version(snapshot, files, landed)
                report_landing(tables, changes, landed, snapshot.version)
            else:
                print(f"nothing new in {params.ingest.source}")
        place_version(snapshot)
        commit_and_push(snapshot, params.ingest, params.data.timeout)
    return snapshot.version


if __name__ == "__main__":
    with exit_on_input_error():
        ingest()
