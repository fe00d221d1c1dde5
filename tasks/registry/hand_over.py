"""Handing the champion over to the endpoints: after each move, and again by tidy should the process have died."""

from tasks.core.handover import ServedChampion, Version
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
