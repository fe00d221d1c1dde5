"""Model versions, and which of them is champion: what the decision log says, read once and passed on."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from prefect import task
from pydantic import Field

from tasks.core.errors import InputError
from tasks.core.workspace import workspace
from tasks.evaluation.gate import Verdict
from tasks.registry import decision_log
from tasks.registry.bundle import Bundle, load_bundle
from tasks.registry.decision_log import Record

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


class Log(NamedTuple):
    """Everything on record about a model at one moment, oldest first, and the moves that took effect."""

    model: str
    records: list[Record]
    moves: list[Move]

    def of(self, *kinds: str) -> list[Record]:
        """The records of some kinds."""
        return [record for record in self.records if record.kind in kinds]

    def champion(self, as_of: datetime | None = None) -> str | None:
        """The version that was champion at as_of; None is the last."""
        targets = [move.target for move in self.moves if as_of is None or move.as_of <= as_of]
        return targets[-1] if targets else None

    def predecessor(self, as_of: datetime | None = None) -> str | None:
        """Rollback target at as_of: the newest earlier champion that was not itself rolled back since."""
        champions: list[str] = []
        for move in self.moves:
            if as_of is not None and move.as_of > as_of:
                break
            if move.kind == "rollback" and move.origin in champions:
                champions.remove(move.origin)
            if move.target in champions:
                champions.remove(move.target)
            champions.append(move.target)
        return champions[-2] if len(champions) > 1 else None

    def now(self, clock: str) -> datetime:
        """The moment that a decision by hand belongs to: now, or by clock `data` the newest as_of on record."""
        if clock == "wall":
            return datetime.now(UTC)
        records = self.of("training", "promotion", "rollback", "check")
        if not records:
            raise InputError(f"nothing is on record for {self.model}: run `python -m flows.train` first")
        return max(record.as_of for record in records)


class Champion(NamedTuple):
    """A version with its files, every one checked."""

    version: str
    bundle: Bundle
    hyperparameters: dict[str, Any]


class Challenger(NamedTuple):
    """A version that was trained and judged."""

    version: str
    verdict: Verdict
    judged_against: str | None  # the champion's version


def read_log(model: str) -> Log:
    """The log of a model.

    A process that died after recording its intent left an open record: the alias tells whether it moved the pointer.
    Another process may move it between the two readings: what does not agree is read again.

    Raises:
        InputError: The alias is not where the log says.
    """
    for _ in range(READINGS):
        alias, records = current_alias(model), decision_log.read_records(model)
        intents = [record for record in records if record.kind in ("promotion", "rollback")]
        moves = [
            to_move(record)
            for record in intents
            if record.finished or (record.status == "RUNNING" and record.tags["target"] == alias)
        ]
        recorded = moves[-1].target if moves else None
        if alias == recorded:
            return Log(model, records, moves)
    raise InputError(
        f"the alias champion of {model} points at version {alias}, but by the record it is {recorded}: somebody "
        "moved it by hand; set it back in MLflow, then use `python -m flows.promote`"
    )


def to_move(record: Record) -> Move:
    tags = record.tags
    return Move(record.kind, tags["origin"] or None, tags["target"], record.as_of, tags["reason"], tags["by"])


def register_version(model: str, record_id: str, digests: dict[str, str]) -> str:
    """Enter the bundle of a training as a new version and point the alias challenger at it; returns its number."""
    client = decision_log.client()
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"bundles/{record_id}"  # relative to the store, so that a moved folder keeps its models
    version = str(client.create_model_version(model, source, record_id, tags={"sha256": json.dumps(digests)}).version)
    client.set_registered_model_alias(model, "challenger", version)
    return version


def load_version(model: str, version: str) -> Bundle:
    """A registered version, every file checked.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    found = find_version(model, version)
    return load_bundle(workspace().store / str(found.source), json.loads(found.tags["sha256"]))


def find_version(model: str, version: str) -> ModelVersion:
    """A registered version by its number as the registry writes it: '2', and not '02'."""
    try:
        found = decision_log.client().get_model_version(model, version)
    except MlflowException:
        found = None
    if found is None or str(found.version) != version:
        raise InputError(f"{model} has no version {version!r}")
    return found


def current_alias(model: str) -> str | None:
    """The version that the alias champion points at."""
    try:
        return str(decision_log.client().get_model_version_by_alias(model, CHAMPION).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


@task
def load_champion(log: Log, as_of: datetime) -> Champion | None:
    """The champion at as_of; None before the first promotion."""
    return open_version(log.model, log.champion(as_of))


@task
def require_champion(log: Log, as_of: datetime) -> Champion:
    """The champion at as_of.

    Raises:
        InputError: There was none.
    """
    champion = open_version(log.model, log.champion(as_of))
    if champion is None:
        raise InputError(f"{log.model} has no champion as of {as_of:%Y-%m-%d %H:%M}: run `python -m flows.train` first")
    return champion


@task
def load_predecessor(log: Log, as_of: datetime) -> Champion | None:
    """The version that a rollback at as_of would return to."""
    return open_version(log.model, log.predecessor(as_of))


def open_version(model: str, version: str | None) -> Champion | None:
    """A version with its files; None for none."""
    if version is None:
        return None
    bundle = load_version(model, version)
    return Champion(version, bundle, bundle.card.get("hyperparameters", {}))
