"""Model versions with their files: the champion, the one before it, and challengers."""

from datetime import datetime
from typing import Any, NamedTuple

from prefect import task

from tasks.core.errors import InputError
from tasks.core.use_case import load_use_case
from tasks.evaluation.verdict import Verdict
from tasks.features.index import Index
from tasks.inference.bundle import Bundle, load_bundle
from tasks.inference.scorer import Scorer
from tasks.registry.state import Log


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


def load_version(log: Log, version: str) -> Bundle:
    """A registered version, every file checked.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    if version not in log.versions:
        raise InputError(f"{log.model} has no version {version!r}")
    found = log.versions[version]
    return load_bundle(found.bundle, found.digests)


@task
def load_champion(log: Log, as_of: datetime) -> Champion | None:
    """The champion at as_of; None before the first promotion."""
    return open_champion(log, as_of)


@task
def require_champion(log: Log, as_of: datetime | None) -> Champion:
    """The champion at as_of; None is the last.

    Raises:
        InputError: There was none.
    """
    champion = open_champion(log, as_of)
    if champion is None:
        first = f"run `ml train --model {log.model}` first"
        when = f" as of {as_of:%Y-%m-%d %H:%M}" if as_of else ""
        raise InputError(f"{log.model} has no champion{when}: {first}")
    return champion


@task
def load_predecessor(log: Log, as_of: datetime | None) -> Champion | None:
    """The version that a rollback at as_of (None: now) would return to; without its files the champion is alone."""
    try:
        return open_version(log, log.predecessor(as_of))
    except InputError as hindrance:
        print(f"the champion is compared with no predecessor: {hindrance}")
        return None


def open_champion(log: Log, as_of: datetime | None) -> Champion | None:
    """The champion at as_of with its files, None is the last; none before the first promotion."""
    try:
        return open_version(log, log.champion(as_of))
    except InputError as damage:
        before = log.predecessor(as_of)
        way_out = f'; or return to version {before}: ml rollback "why"' if before else ""
        raise InputError(f"{damage}{way_out}") from None


def open_version(log: Log, version: str | None) -> Champion | None:
    """A version with its files; None for none."""
    if version is None:
        return None
    bundle = load_version(log, version)
    return Champion(version, bundle, bundle.card.get("hyperparameters", {}))


def require_servable(model: str, version: str, scorer: Scorer) -> None:
    """Refuse a version that the features of this code do not fit: neither a batch nor an endpoint could score with it.

    Raises:
        InputError: It names the feature.
    """
    use_case = load_use_case(model)
    empty = {name: table.empty for name, table in use_case.tables.items()}
    made = use_case.build_features(empty[use_case.rows], Index(use_case.tables, empty)).schema
    if name := scorer.misfit(made):
        found = f"makes {made[name]} of it" if name in made else "no longer makes it"
        raise InputError(
            f"version {version} of {model} needs the feature {name!r}, but project/ {found}: it cannot be champion "
            "with this code; bring the feature back, or train anew"
        )
