"""The logbook: each training, check, review, promotion, rollback and refusal is an MLflow run with its evidence.

It lives in store/mlflow.db and store/records unless MLFLOW_TRACKING_URI names a server. Evidence of the embedded store
is found by run id, so that a moved folder keeps its records.
"""

import json
import tempfile
import time
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tasks.core.params import STORE

EVIDENCE = "evidence.json"
TAG_LENGTH = 1_000


@cache
def client() -> MlflowClient:
    """The tracking client; the embedded database is made once, whole, whoever comes first."""
    if uri := MLFLOW_TRACKING_URI.get():
        return MlflowClient(uri)
    database = STORE / "mlflow.db"
    STORE.mkdir(parents=True, exist_ok=True)
    with FileLock(STORE / "mlflow.lock"):
        if not database.exists():
            part = database.with_suffix(".part")
            part.unlink(missing_ok=True)
            MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
            part.replace(database)
    return MlflowClient(f"sqlite:///{database}")


@cache
def experiment(model: str) -> str:
    """The id of the model's experiment."""
    location = None if MLFLOW_TRACKING_URI.get() else (STORE / "records").as_uri()
    try:
        return client().create_experiment(model, artifact_location=location)
    except MlflowException:
        found = client().get_experiment_by_name(model)
        assert found, f"MLflow neither makes nor finds the experiment {model}"
        return found.experiment_id


def artifacts(model: str, run_id: str) -> Any:
    """Where the artifacts of a run are kept."""
    root = (STORE / "records").as_uri()
    if MLFLOW_TRACKING_URI.get():
        root = client().get_experiment(experiment(model)).artifact_location
    return get_artifact_repository(f"{root}/{run_id}/artifacts")


def open_record(model: str, kind: str, as_of: datetime, evidence: dict[str, Any], **tags: str) -> str:
    """Record durably what is about to happen; returns the run id.

    Args:
        model: The registered model.
        kind: training, review, promotion, rollback, check or refusal.
        as_of: The logical time.
        evidence: Anything that JSON holds.
        tags: Short facts to search by.
    """
    tags = {"kind": kind, "as_of": as_of.isoformat(), **tags}
    name = f"{kind} as of {as_of:%Y-%m-%d}"
    run_id = client().create_run(experiment(model), next_moment(model), tags, name).info.run_id
    add_evidence(model, run_id, evidence)
    return run_id


def next_moment(model: str) -> int:
    """Now, in milliseconds, and after every record there is: their order stands, whatever a clock does."""
    newest = client().search_runs([experiment(model)], order_by=["attributes.start_time DESC"], max_results=1)
    return max([time.time_ns() // 1_000_000, *(run.info.start_time + 1 for run in newest)])


def add_evidence(model: str, run_id: str, evidence: dict[str, Any]) -> None:
    """Keep the evidence of a record, in place of what was kept before."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / EVIDENCE
        file.write_text(json.dumps(evidence, indent=2, default=str))
        artifacts(model, run_id).log_artifact(file)


def close_record(run_id: str, done: bool = True) -> None:
    """What was recorded has happened, or has failed to."""
    client().set_terminated(run_id, "FINISHED" if done else "FAILED")


def log_numbers(run_id: str, metrics: dict[str, float], params: dict[str, Any]) -> None:
    """Metrics and params for the comparison views of the MLflow UI."""
    measured = [Metric(name, value, 0, 0) for name, value in metrics.items()]
    client().log_batch(run_id, measured, [Param(name, str(value)) for name, value in params.items()])


def add_tags(run_id: str, **tags: str) -> None:
    client().log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def find_records(model: str, *kinds: str) -> list[Run]:
    """All records of some kinds, oldest first."""
    page = client().search_runs([experiment(model)], order_by=["attributes.start_time"])
    runs = list(page)
    while page.token:
        page = client().search_runs([experiment(model)], order_by=["attributes.start_time"], page_token=page.token)
        runs += page
    return [run for run in runs if run.data.tags.get("kind") in kinds]


def read_evidence(model: str, run_id: str) -> dict[str, Any]:
    """The evidence of a record."""
    return json.loads(Path(artifacts(model, run_id).download_artifacts(EVIDENCE)).read_text())
