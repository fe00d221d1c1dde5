"""MLflow mirrors the decision log: trainings, checks and versions, to be compared in its UI; nothing is read from it.

It lies in state/mlflow.db and state/mlflow unless MLFLOW_TRACKING_URI names a server. What is missing or differs there
is made again from the log: by every training and check what is new, by tidy everything.
"""

import json
import logging
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from prefect import task

from tasks.core.errors import InputError, first_line, without_secrets
from tasks.core.locks import exclusive
from tasks.core.workspace import workspace
from tasks.inference.bundle import read_file
from tasks.registry.decision_log import digest, read_entries
from tasks.registry.entries import Checked, Entry, Judged
from tasks.registry.state import Head, Log
from tasks.registry.verify import check_anchor

PATIENCE = 5  # seconds for a database that another process holds


@task
def mirror(log: Log, whole: bool = False) -> bool:
    """Bring MLflow in line with the log; what hinders it is told, and hinders nothing else.

    Args:
        log: Of the model.
        whole: Look for what was deleted there, too, not only for what is new.

    Returns:
        Whether MLflow shows what the log says.
    """
    from mlflow.environment_variables import MLFLOW_TRACKING_URI  # seconds to import, and needed here alone

    try:
        uri = MLFLOW_TRACKING_URI.get() or prepare_database()
        with exclusive("mirror to MLflow"):
            Mirror(uri, log).update(whole)
    except Exception as error:  # whatever MLflow, its server or its database has
        what = without_secrets(first_line(error))[:300]
        print(f"MLflow lags behind the record of {log.model} ({what}): the next training, check or tidy tries again")
        return False
    return True


def read_head(model: str) -> Head:
    """The head of the log that MLflow keeps.

    Raises:
        InputError: MLflow cannot be read, or keeps none.
    """
    from mlflow import MlflowClient
    from mlflow.environment_variables import MLFLOW_TRACKING_URI

    try:
        found = MlflowClient(MLFLOW_TRACKING_URI.get() or prepare_database()).get_experiment_by_name(model)
    except Exception as error:
        address = MLFLOW_TRACKING_URI.get()
        there = f" at {without_secrets(address)} (MLFLOW_TRACKING_URI)" if address else ""
        raise InputError(
            f"MLflow{there} cannot be read: {without_secrets(first_line(error))[:300]}; verify without --mirror"
        ) from None
    if not found or not {"mirrored", "log_digest"} <= found.tags.keys():
        raise InputError(f"MLflow keeps no head of the log of {model} yet: let `ml tidy` mirror it first")
    return Head(int(found.tags["mirrored"]), found.tags["log_digest"])


def prepare_database() -> str:
    """The address of the embedded database; a damaged one is set aside, since all of it is made again."""
    path = workspace().tracking_database
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            if database.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise sqlite3.DatabaseError
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise InputError(f"{path}: {error}") from None
    except sqlite3.DatabaseError:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        print(f"{path} is damaged: it is kept as {aside.name} and made again")
    return f"sqlite:///{path}"


class Mirror:
    """The experiment and the registered model of a model."""

    def __init__(self, uri: str, log: Log) -> None:
        from mlflow import MlflowClient

        self.log, self.embedded = log, uri.startswith("sqlite")
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it says is told in a sentence
        self.client = MlflowClient(uri)
        self.experiment = self._open_experiment()

    def update(self, whole: bool) -> None:
        """Make what is missing, correct what differs."""
        begun, tags = id_of(self.log.entries[0]) if self.log.entries else "", self.experiment.tags
        done = int(tags.get("mirrored", 0)) if tags.get("log_begun") == begun and not whole else 0
        runs, shown = self._runs(whole or not done), self._versions()
        for entry in self.log.entries[done:]:
            if isinstance(entry, Judged | Checked) and id_of(entry) not in runs:
                runs[id_of(entry)] = self._show(entry)
        for entry in self.log.versions.values():
            if id_of(entry) not in shown:
                shown[id_of(entry)] = self._register(entry, runs.get(id_of(entry)) or self._show(entry))
        newest = str(len(self.log.versions))
        for alias, version in {"champion": self.log.champion(), "challenger": newest}.items():
            entry = self.log.versions.get(version or "")
            self._point(alias, shown[id_of(entry)] if entry else None)
        if tags.get("log_begun") == begun and self._is_another_log():
            return
        head = {"mirrored": self.log.head.number, "log_digest": self.log.head.digest, "log_begun": begun}
        for name, value in head.items():
            self.client.set_experiment_tag(self.experiment.experiment_id, name, str(value))

    def _is_another_log(self) -> bool:
        """Whether MLflow keeps a head that the log does not hold: it is kept then, for `audit --verify --mirror`."""
        tags = self.experiment.tags
        digests = [digest(row) for row in read_entries(self.log.model).iter_rows(named=True)]
        faults = list(check_anchor(digests, Head(int(tags["mirrored"]), tags["log_digest"]), "MLflow"))
        for fault in faults:
            print(f"the log of {self.log.model} was changed: {fault}")
        return bool(faults)

    def _open_experiment(self) -> Any:
        """The experiment, restored if somebody deleted it."""
        name, place = self.log.model, workspace().tracking_artifacts
        found = self.client.get_experiment_by_name(name)
        if found and found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        if not found:
            with suppress(Exception):  # another process made it first
                self.client.create_experiment(name, artifact_location=place.as_uri() if self.embedded else None)
            found = self.client.get_experiment_by_name(name)
        assert found, f"MLflow neither makes nor finds the experiment {name}"
        return found

    def _runs(self, whole: bool) -> dict[str, str]:
        """The ids of our runs by their entry; runs of others beside them, or half made ones, do not matter."""
        order, found, token = ["attributes.start_time DESC"], {}, None
        while True:
            page = self.client.search_runs([self.experiment.experiment_id], order_by=order, page_token=token)
            found |= {run.data.tags["entry"]: run.info.run_id for run in page if "entry" in run.data.tags}
            token = page.token
            if not (whole and token):
                return found

    def _versions(self) -> dict[str, str]:
        """The numbers that MLflow gave to our versions, by their entry."""
        found = self.client.search_model_versions(f"name='{self.log.model}'")
        return {one.tags["entry"]: str(one.version) for one in found if "entry" in one.tags}

    def _show(self, entry: Judged | Checked) -> str:
        """A run for an entry, with its params, metrics and files; returns its id."""
        from mlflow.entities import Metric, Param

        began = int(entry.made_at.timestamp() * 1000)
        tags = {name: str(value) for name, value in entry.model_dump(exclude={"check", "digests"}).items()}
        tags |= {"mlflow.source.name": "decision log"}
        name = f"{entry.kind} as of {entry.as_of:%Y-%m-%d}"
        run = self.client.create_run(self.experiment.experiment_id, began, tags, name).info.run_id
        metrics, params, files = describe(entry)
        measured = [Metric(name, value, began, 0) for name, value in metrics.items()]
        self.client.log_batch(run, measured, [Param(name, str(value)[:500]) for name, value in params.items()])
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (Path(folder) / file).write_bytes(content)
            self._artifacts(run).log_artifacts(folder, "bundle" if isinstance(entry, Judged) else None)
        self.client.set_terminated(run, "FINISHED", began)
        self.client.set_tag(run, "entry", id_of(entry))  # last: without it a run counts as not made
        return run

    def _artifacts(self, run: str) -> Any:
        """Where the files of a run go: the embedded ones into this workspace, wherever it was moved to."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        root = workspace().tracking_artifacts.as_uri() if self.embedded else self.experiment.artifact_location
        return get_artifact_repository(f"{root}/{run}/artifacts", tracking_uri=self.client.tracking_uri)

    def _register(self, entry: Judged, run: str) -> str:
        """A version of the registered model; MLflow gives a number of its own where one was deleted."""
        with suppress(Exception):  # it exists
            self.client.create_registered_model(self.log.model)
        tags = {name: getattr(entry, name) for name in ("version", "decision", "sha256")} | {"entry": id_of(entry)}
        text = f"version {entry.version} of {self.log.model}: {entry.decision}, {entry.why}"
        made = self.client.create_model_version(
            self.log.model, f"runs:/{run}/bundle", run, tags=tags, description=text[:5000]
        )
        return str(made.version)

    def _point(self, alias: str, number: str | None) -> None:
        """Let an alias point at a version, or be gone."""
        if number:
            self.client.set_registered_model_alias(self.log.model, alias, number)
        elif self.log.versions:
            self.client.delete_registered_model_alias(self.log.model, alias)


def id_of(entry: Entry) -> str:
    """What tells an entry from one of the same number in another log, such as that of a store begun anew."""
    return f"{entry.number} {entry.made_at.isoformat()}"


def describe(entry: Judged | Checked) -> tuple[dict[str, float], dict[str, Any], dict[str, bytes]]:
    """Metrics, params and files of an entry; a bundle that is damaged has none of them."""
    if isinstance(entry, Checked):
        metrics = (entry.check.get("quality") or {}).get("metrics", {})
        return metrics, {"window": entry.window}, {"check.json": json.dumps(entry.check, indent=2).encode()}
    try:
        files = {name: read_file(entry.bundle, name, digest) for name, digest in entry.digests.items()}
    except InputError:
        return {}, {}, {}
    card = json.loads(files["card.json"])
    metrics = card.get("verdict", {}).get("metrics", {}).get("challenger", {})
    return metrics, {"trials": card.get("trials"), **card.get("hyperparameters", {})}, files
