"""Handing the champion over to the endpoints: after each move, and again by tidy should the process have died."""

import polars as pl

from tasks.core.errors import InputError
from tasks.core.handover import ServedChampion, Version
from tasks.core.use_case import load_use_case
from tasks.features.index import Index
from tasks.inference.scorer import TEXT, Scorer
from tasks.registry.decision_log import read_log
from tasks.registry.state import Log


def hand_over_champion(model: str) -> None:
    """Let the endpoints serve the champion that the log names; of several who do so at once the newest log wins."""
    log = read_log(model)
    while True:
        if found := describe_champion(log):
            found.write(model)
        seen, log = log.head, read_log(model)
        if log.head == seen:
            return


def require_servable(model: str, version: str, scorer: Scorer) -> None:
    """Refuse a version that the features of this code do not fit: neither a batch nor an endpoint could score with it.

    Raises:
        InputError: It names the feature.
    """
    use_case = load_use_case(model)
    empty = {name: table.empty for name, table in use_case.tables.items()}
    made = use_case.build_features(empty[use_case.rows], Index(use_case.tables, empty)).schema
    for name, kind in scorer.features.items():
        if name not in made or (made[name] == pl.String) != (kind == TEXT):
            found = f"makes {made[name]} of it" if name in made else "no longer makes it"
            raise InputError(
                f"version {version} of {model} needs the feature {name!r}, but project/ {found}: it cannot be champion "
                "with this code; bring the feature back, or train anew"
            )


def describe_champion(log: Log) -> ServedChampion | None:
    """The champion and the version that a rollback returns to, with their files; None before the first promotion."""
    version, before = log.champion(), log.predecessor()
    if version is None:
        return None
    predecessor = describe_version(log, before) if before else None
    return ServedChampion(champion=describe_version(log, version), predecessor=predecessor, entry=log.head.number)


def describe_version(log: Log, version: str) -> Version:
    """A version by its files."""
    found = log.versions[version]
    return Version(version=version, bundle=found.bundle, digests=found.digests)
