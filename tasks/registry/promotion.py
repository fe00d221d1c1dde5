"""Promotion and rollback: each is one entry of the decision log, judged by the log as it is at that moment."""

from datetime import datetime
from typing import Literal

from prefect import task

from tasks.core.errors import InputError, StoreError
from tasks.core.events import announce
from tasks.core.provenance import is_reason, who
from tasks.registry.decision_log import decide, read_log, resource_of
from tasks.registry.entries import Move
from tasks.registry.hand_over import hand_over_champion
from tasks.registry.state import Log, NotMovedError
from tasks.registry.versions import Challenger, load_version, require_servable


@task
def promote_challenger(model: str, challenger: Challenger, as_of: datetime) -> None:
    """Promote a judged version, once, if the champion has not changed since the verdict; else print why not."""

    def judge(log: Log) -> Move:
        if any(move.version == challenger.version for move in log.moves):
            raise NotMovedError(f"version {challenger.version} of {model} has been champion already")
        reason = challenger.verdict.reason
        return make_move(log, "promotion", challenger.version, challenger.judged_against, as_of, reason)

    try:
        announce_move(model, decide(model, judge))
    except NotMovedError as hindrance:
        print(f"not promoted: {hindrance}")


def promote_by_hand(model: str, version: str, reason: str, clock: str) -> None:
    """A person's override of the gate, whichever version is champion."""
    announce_move(
        model,
        decide(model, lambda log: make_move(log, "promotion", version, log.champion(), log.now(clock), reason)),
    )


def roll_back(model: str, reason: str, clock: str, champion: str | None = None) -> Move:
    """Return to the newest earlier champion that was not itself rolled back.

    Args:
        model: Its name.
        reason: Why, for the record.
        clock: As in params.yaml.
        champion: Act only if this version is still champion; None is the one of now, so that two people
            who roll back at once do so once.

    Returns:
        The move: the version that is champion now, and the one that it replaces.
    """
    bad = champion if champion is not None else read_log(model).champion()

    def judge(log: Log) -> Move:
        origin, target = log.champion(), log.predecessor()
        if bad is not None and origin != bad:
            raise InputError(
                f"version {bad} of {model} is not the champion any more, version {origin} is: nothing was done"
            )
        if origin is None or target is None:
            raise InputError(f"{model} has no earlier champion to roll back to")
        try:
            return make_move(log, "rollback", target, origin, log.now(clock), reason)
        except StoreError as damage:
            raise InputError(f'{damage}; or choose another version: ml promote N "why"') from None

    return announce_move(model, decide(model, judge))


def make_move(
    log: Log,
    kind: Literal["promotion", "rollback"],
    version: str,
    replaces: str | None,
    as_of: datetime,
    reason: str,
    by: str | None = None,
) -> Move:
    """The entry that moves the champion.

    Raises:
        InputError: There is no reason, or the files of the version are not those that were registered.
    """
    if not is_reason(reason):
        raise InputError("a reason is needed: it is what the record will show")
    require_servable(log.model, version, load_version(log, version).scorer)
    return Move(kind=kind, version=version, replaces=replaces, as_of=as_of, reason=reason, by=by or who())


def announce_move(model: str, move: Move | None) -> Move:
    """Hand the champion over to the endpoints, and emit model.promoted or model.rolled-back."""
    assert move is not None
    try:
        hand_over_champion(model)
    except StoreError as hindrance:
        print(f"the endpoints hear of it from the next tidy: {hindrance}")
    event = "model.promoted" if move.kind == "promotion" else "model.rolled-back"
    news = {"version": move.version, "replaces": move.replaces, "reason": move.reason, "as_of": move.as_of.isoformat()}
    announce(event, resource_of(model, move), model=model, **news)
    return move
