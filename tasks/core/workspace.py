"""Every path of a workspace in one place."""

import os
from functools import cache
from pathlib import Path

CODE = Path(__file__).parents[2]  # of this repository, whose code works in any workspace


class Workspace:
    """A folder with params.yaml, .dvc, data.dvc and data/, and the three roots of what the loop makes.

    store/ is durable, state/ is durable and belongs to this machine, cache/ is made again when it is lost.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.params, self.data, self.data_dvc = root / "params.yaml", root / "data", root / "data.dvc"
        self.store, self.state, self.cache = root / "store", root / "state", root / "cache"
        self.reports = self.store / "reports"
        self.prefect_database = self.state / "prefect" / "prefect.db"
        self.answers = self.state / "served"  # of an endpoint whose store is elsewhere, until they are shipped
        self.received = self.state / "received"  # rows that were sent to it, whose landing place is elsewhere
        self.tracking_database = self.state / "mlflow.db"
        self.tracking_artifacts = self.state / "mlflow"
        self.fetched = self.cache / "store"  # files of a store elsewhere
        self.features = self.cache / "features"
        self.studies = self.cache / "studies"
        self.marks = self.cache / "landing" / "marks.parquet"
        self.bulk = self.cache / "bulk"
        self.pushed = self.cache / "dvc" / "pushed"
        self.locks = self.cache / "locks"


@cache
def workspace() -> Workspace:
    """The workspace of this process: the folder that the variable WORKSPACE names, else the repository."""
    return Workspace(Path(os.environ.get("WORKSPACE") or CODE).resolve())
