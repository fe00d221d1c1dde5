"""Model versions, and what the record says of the champion."""

import json
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import Field

from tasks.core.errors import InputError
from tasks.core.params import STORE
from tasks.registry import decision_log as logbook
from tasks.registry.bundle import Bundle, load_bundle

CHAMPION = "champion"
READINGS = 5
VersionNumber = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]


class Move(NamedTuple):
    """One recorded move of the champion pointer."""

    kind: str  # promotion or rollback
    origin: str | None  # the version it pointed at before
    target: str
    as_of: datetime
    reason: str
    by: str


def register_version(model: str, run_id: str, digests: dict[str, str]) -> str:
    """Enter the bundle of a training as a new version and point the alias challenger at it; returns its number."""
    client = logbook.client()
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"bundles/{run_id}"  # relative to the store, so that a moved folder keeps its models
    version = str(client.create_model_version(model, source, run_id, tags={"sha256": json.dumps(digests)}).version)
    client.set_registered_model_alias(model, "challenger", version)
    return version


def load_version(model: str, version: str) -> Bundle:
    """A registered version, every file checked.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    found = find_version(model, version)
    return load_bundle(STORE / str(found.source), json.loads(found.tags["sha256"]))


def find_version(model: str, version: str) -> ModelVersion:
    """A registered version by its number as the registry writes it: '2', and not '02'."""
    try:
        found = logbook.client().get_model_version(model, version)
    except MlflowException:
        found = None
    if found is None or str(found.version) != version:
        raise InputError(f"{model} has no version {version!r}")
    return found


def current_alias(model: str) -> str | None:
    """The version that the alias champion points at."""
    try:
        return str(logbook.client().get_model_version_by_alias(model, CHAMPION).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def find_moves(model: str) -> list[Move]:
    """All moves of the pointer that took effect, oldest first.

    A process that died after recording its intent left an open record: the alias tells whether it moved the pointer.
    Another process may move it between the two readings: what does not agree is read again.
    """
    for _ in range(READINGS):
        alias, moves = current_alias(model), []
        for run in logbook.find_records(model, "promotion", "rollback"):
            if run.info.status == "FINISHED" or (run.info.status == "RUNNING" and run.data.tags["target"] == alias):
                moves.append(read_move(run))
        recorded = moves[-1].target if moves else None
        if alias == recorded:
            return moves
    raise InputError(
        f"the alias champion of {model} points at version {alias}, but by the record it is {recorded}: somebody "
        "moved it by hand; set it back in MLflow, then use `python -m flows.promote`"
    )


def read_move(run: Run) -> Move:
    tags = run.data.tags
    as_of = datetime.fromisoformat(tags["as_of"])
    return Move(tags["kind"], tags["origin"] or None, tags["target"], as_of, tags["reason"], tags["by"])


def find_champion(model: str, as_of: datetime) -> str | None:
    """The version that was champion at as_of, by the record."""
    targets = [move.target for move in find_moves(model) if move.as_of <= as_of]
    return targets[-1] if targets else None


def find_predecessor(model: str, as_of: datetime | None = None) -> str | None:
    """The newest champion before that of as_of (None: the last) that was not rolled back since it was last promoted."""
    champions: list[str] = []
    for move in find_moves(model):
        if as_of is not None and move.as_of > as_of:
            break
        if move.kind == "rollback" and move.origin in champions:
            champions.remove(move.origin)
        if move.target in champions:
            champions.remove(move.target)
        champions.append(move.target)
    return champions[-2] if len(champions) > 1 else None


def logical_now(model: str, clock: str) -> datetime:
    """The moment that a decision by hand belongs to: now, or by clock `data` the newest as_of on record."""
    if clock == "wall":
        return datetime.now(UTC)
    records = logbook.find_records(model, "training", "promotion", "rollback", "check")
    if not records:
        raise InputError(f"nothing is on record for {model}: run `python -m flows.train` first")
    return max(datetime.fromisoformat(run.data.tags["as_of"]) for run in records)
