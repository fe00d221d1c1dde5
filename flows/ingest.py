"""Take in what landed: into the data, or into quarantine: python -m flows.ingest"""

from prefect import flow

from tasks.core.errors import told_in_one_sentence
from tasks.core.events import rejections_announced
from tasks.core.locks import only_one
from tasks.core.naming import name_run
from tasks.core.params import Params
from tasks.data.merge import merge_landed
from tasks.data.publish import keep_outside, place_version, publish_version, refuse_edits
from tasks.data.snapshot import pull_snapshot
from tasks.data.sources import read_landed
from tasks.operations.artifacts import report_landing


@flow(log_prints=True, flow_run_name=name_run)
def ingest(params: Params = Params.load()) -> str:
    """Check new files against the contract and make their rows part of a new data version.

    Args:
        params: Anything given here wins over params.yaml, for this run only.

    Returns:
        The current data version.
    """
    with only_one("ingest"):
        with rejections_announced(params.model):
            snapshot = pull_snapshot(None, params.data)
            refuse_edits()
            if landed := read_landed(params.ingest.source, snapshot, params.data.deadline):
                files, changes = merge_landed(snapshot, landed, params.validation)
                snapshot = publish_version(snapshot, files, landed)
                report_landing(params.model, changes, landed, snapshot.version)
            else:
                print(f"nothing new in {params.ingest.source}")
        place_version(snapshot)
        keep_outside(snapshot, params.ingest, params.data.deadline)
    return snapshot.version


if __name__ == "__main__":
    with told_in_one_sentence():
        ingest()
