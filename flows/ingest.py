"""Take in what landed: into the data, or into quarantine: python -m flows.ingest"""

from prefect import flow

from tasks.errors import told_in_one_sentence
from tasks.events import rejections_announced
from tasks.landing import read_landed
from tasks.locks import only_one
from tasks.merging import merge_landed
from tasks.naming import name_run
from tasks.params import Params
from tasks.report import report_landing
from tasks.snapshot import pull_snapshot
from tasks.versions import keep_outside, place_version, publish_version, refuse_edits


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
