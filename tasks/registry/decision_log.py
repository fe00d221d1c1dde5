"""The decision log: each training, check, review, promotion, rollback and refusal is an MLflow run with its evidence.

It lies in state/mlflow.db and store/records unless MLFLOW_TRACKING_URI names a server. Evidence of the embedded store
is found by run id, so that a moved folder keeps its records.
"""

import json
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tasks.core.errors import InputError
from tasks.core.workspace import workspace

EVIDENCE = "evidence.json"
TAG_LENGTH = 1_000


class Record(NamedTuple):
    """One entry of the log, without its evidence."""

    id: str
    kind: str  # training, review, promotion, rollback, check or refusal
    as_of: datetime  # the logical time
    made_at: datetime
    status: str  # RUNNING: what it announces has not happened yet; FINISHED or FAILED
    tags: dict[str, str]  # short facts

    @property
    def finished(self) -> bool:
        return self.status == "FINISHED"


def client() -> MlflowClient:
    """The tracking client of this workspace, or of the server that MLFLOW_TRACKING_URI names."""
    return open_client(MLFLOW_TRACKING_URI.get() or f"sqlite:///{workspace().tracking_database}")


@cache
def open_client(uri: str) -> MlflowClient:
    """A client; the embedded database is created atomically by the first process that needs it."""
    database = workspace().tracking_database
    if not MLFLOW_TRACKING_URI.get():
        if (old := workspace().store / "mlflow.db").exists():
            raise InputError(f"{old} belongs to an earlier layout: move it to {database}")
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_suffix(".lock")):
            if not database.exists():
                part = database.with_suffix(".part")
                part.unlink(missing_ok=True)
                MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
                part.replace(database)
    return MlflowClient(uri)


def experiment(model: str) -> str:
    """The id of the model's experiment."""
    return open_experiment(client(), model)


@cache
def open_experiment(tracking: MlflowClient, model: str) -> str:
    """The id of an experiment, which is made on first use."""
    location = None if MLFLOW_TRACKING_URI.get() else workspace().evidence.as_uri()
    try:
        return tracking.create_experiment(model, artifact_location=location)
    except MlflowException:
        found = tracking.get_experiment_by_name(model)
        assert found, f"MLflow neither makes nor finds the experiment {model}"
        return found.experiment_id


def artifacts(model: str, record_id: str) -> Any:
    """Where the artifacts of a record are kept."""
    root = workspace().evidence.as_uri()
    if MLFLOW_TRACKING_URI.get():
        root = client().get_experiment(experiment(model)).artifact_location
    return get_artifact_repository(f"{root}/{record_id}/artifacts")


def open_record(model: str, kind: str, as_of: datetime, evidence: dict[str, Any], **tags: str) -> str:
    """Record the intent before acting on it; returns the id of the record.

    Args:
        model: The registered model.
        kind: As in Record.
        as_of: The logical time.
        evidence: Anything that JSON holds.
        tags: Short facts to search by.
    """
    tags = {"kind": kind, "as_of": as_of.isoformat(), **tags}
    name = f"{kind} as of {as_of:%Y-%m-%d}"
    record_id = client().create_run(experiment(model), next_moment(model), tags, name).info.run_id
    add_evidence(model, record_id, evidence)
    return record_id


def next_moment(model: str) -> int:
    """A timestamp in milliseconds, later than every record: the order holds even if the clock goes back."""
    newest = client().search_runs([experiment(model)], order_by=["attributes.start_time DESC"], max_results=1)
    return max([time.time_ns() // 1_000_000, *(run.info.start_time + 1 for run in newest)])


def add_evidence(model: str, record_id: str, evidence: dict[str, Any]) -> None:
    """Keep the evidence of a record, in place of what was kept before."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / EVIDENCE
        file.write_text(json.dumps(evidence, indent=2, default=str))
        artifacts(model, record_id).log_artifact(file)


def close_record(record_id: str, done: bool = True) -> None:
    """Mark a record as finished or failed."""
    client().set_terminated(record_id, "FINISHED" if done else "FAILED")


def log_numbers(record_id: str, metrics: dict[str, float], params: dict[str, Any]) -> None:
    """Metrics and params for the comparison views of the MLflow UI."""
    measured = [Metric(name, value, 0, 0) for name, value in metrics.items()]
    client().log_batch(record_id, measured, [Param(name, str(value)) for name, value in params.items()])


def add_tags(record_id: str, **tags: str) -> None:
    client().log_batch(record_id, tags=[RunTag(name, value) for name, value in tags.items()])


def read_records(model: str) -> list[Record]:
    """All records of a model, oldest first."""
    page = client().search_runs([experiment(model)], order_by=["attributes.start_time"])
    runs = list(page)
    while page.token:
        page = client().search_runs([experiment(model)], order_by=["attributes.start_time"], page_token=page.token)
        runs += page
    return [to_record(run) for run in runs if "kind" in run.data.tags]


def to_record(run: Run) -> Record:
    """A record from the MLflow run that holds it."""
    tags, made_at = run.data.tags, datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    as_of = datetime.fromisoformat(tags["as_of"])
    return Record(run.info.run_id, tags["kind"], as_of, made_at, run.info.status, tags)


def read_evidence(model: str, record_id: str) -> dict[str, Any]:
    """The evidence of a record."""
    return json.loads(Path(artifacts(model, record_id).download_artifacts(EVIDENCE)).read_text())
