"""Model versions with their files: the champion, the one before it, and challengers."""

from datetime import datetime
from typing import Any, NamedTuple

from prefect import task

from tasks.core.errors import InputError
from tasks.evaluation.verdict import Verdict
from tasks.inference.bundle import Bundle, load_bundle
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
    return open_version(log, log.champion(as_of))


@task
def require_champion(log: Log, as_of: datetime) -> Champion:
    """The champion at as_of.

    Raises:
        InputError: There was none.
    """
    champion = open_version(log, log.champion(as_of))
    if champion is None:
        first = f"run `ml train --model {log.model}` first"
        raise InputError(f"{log.model} has no champion as of {as_of:%Y-%m-%d %H:%M}: {first}")
    return champion


@task
def load_predecessor(log: Log, as_of: datetime) -> Champion | None:
    """The version that a rollback at as_of would return to; without its files the champion is judged alone."""
    try:
        return open_version(log, log.predecessor(as_of))
    except InputError as hindrance:
        print(f"the champion is compared with no predecessor: {hindrance}")
        return None


def open_version(log: Log, version: str | None) -> Champion | None:
    """A version with its files; None for none."""
    if version is None:
        return None
    bundle = load_version(log, version)
    return Champion(version, bundle, bundle.card.get("hyperparameters", {}))
