"""The version that serves, and the one that it replaced, as of a moment."""

from datetime import datetime
from typing import Any, NamedTuple

from prefect import task

from tasks.core.errors import InputError
from tasks.registry.bundle import Bundle
from tasks.registry.versions import find_champion, find_predecessor, load_version


class Champion(NamedTuple):
    """A version with its files, every one checked."""

    version: str
    bundle: Bundle
    hyperparameters: dict[str, Any]


@task
def load_champion(model: str, as_of: datetime) -> Champion | None:
    """The champion at as_of; None before the first promotion."""
    return open_version(model, find_champion(model, as_of))


@task
def require_champion(model: str, as_of: datetime) -> Champion:
    """The champion at as_of.

    Raises:
        InputError: There was none.
    """
    champion = open_version(model, find_champion(model, as_of))
    if champion is None:
        raise InputError(f"{model} has no champion as of {as_of:%Y-%m-%d %H:%M}: run `python -m flows.train` first")
    return champion


@task
def load_predecessor(model: str, as_of: datetime) -> Champion | None:
    """The version that a rollback at as_of would return to."""
    return open_version(model, find_predecessor(model, as_of))


def open_version(model: str, version: str | None) -> Champion | None:
    if version is None:
        return None
    bundle = load_version(model, version)
    return Champion(version, bundle, bundle.card.get("hyperparameters", {}))
