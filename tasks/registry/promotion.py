"""Promotion and rollback: under a lock, record the intent, move the pointer, record that it is done."""

from datetime import datetime
from typing import Literal

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.locks import exclusive
from tasks.core.provenance import who
from tasks.registry import decision_log
from tasks.registry.versions import CHAMPION, Challenger, Log, current_alias, load_version, read_log

LOCK_SECONDS = 60


class NotMovedError(InputError):
    """The champion stays for a legitimate reason, such as a replay or a changed champion."""


@task
def promote_challenger(model: str, challenger: Challenger, as_of: datetime) -> None:
    """Promote a judged version, once, if the champion has not changed since the verdict; else print why not."""
    version, reason = challenger.version, challenger.verdict.reason
    try:
        move_pointer("promotion", model, version, challenger.judged_against, as_of, reason, once=True)
    except NotMovedError as hindrance:
        print(f"not promoted: {hindrance}")


def promote_by_hand(model: str, version: str, reason: str, clock: str) -> None:
    """A person's override of the gate."""
    move_pointer("promotion", model, version, None, read_log(model).now(clock), reason, force=True)


def roll_back(log: Log, reason: str, clock: str, champion: str | None = None) -> tuple[str, str]:
    """Return to the newest earlier champion that was not itself rolled back.

    Args:
        log: Of the model.
        reason: Why, for the record.
        clock: As in params.yaml.
        champion: Act only if this version is still champion; None is whichever is.

    Returns:
        The version that was champion, and the one that is now.
    """
    origin, target = log.champion(), log.predecessor()
    if champion is not None and origin != champion:
        raise InputError(
            f"version {champion} of {log.model} is not the champion any more, version {origin} is: nothing was done"
        )
    if origin is None or target is None:
        raise InputError(f"{log.model} has no earlier champion to roll back to")
    move_pointer("rollback", log.model, target, origin, log.now(clock), reason)
    return origin, target


def move_pointer(
    kind: Literal["promotion", "rollback"],
    model: str,
    target: str,
    expected: str | None,
    as_of: datetime,
    reason: str,
    by: str | None = None,
    once: bool = False,
    force: bool = False,
) -> None:
    """The only place that moves the pointer.

    Args:
        kind: What the move is.
        model: The registered model.
        target: The version that becomes champion.
        expected: The version that must be champion still; None is no champion yet.
        as_of: The logical time of the move.
        reason: Why.
        by: Who; the account of this process, if nobody is named.
        once: Refuse a version that has been champion already.
        force: Move it whichever version is champion.

    Raises:
        InputError: Another version is champion, as_of lies before the newest move, or the files of the target are not
            those that were registered. The champion stays.
    """
    if not reason.strip():
        raise InputError("a reason is needed: it is what the record will show")
    with exclusive("move of the champion", LOCK_SECONDS):
        log = read_log(model)
        close_open_moves(log)
        if once and any(move.target == target for move in log.moves):
            raise NotMovedError(f"version {target} of {model} has been champion already")
        check_move(log, target, log.champion() if force else expected, as_of)
        load_version(model, target)
        facts = {"origin": log.champion() or "", "target": target, "by": by or who(), "reason": reason}
        tags = facts | {"reason": reason[: decision_log.TAG_LENGTH]}  # the evidence keeps all of it
        record_id = decision_log.open_record(model, kind, as_of, facts, **tags)
        decision_log.client().set_registered_model_alias(model, CHAMPION, target)
        decision_log.close_record(record_id)
    event = "model.promoted" if kind == "promotion" else "model.rolled-back"
    news = {"version": target, "replaces": log.champion(), "reason": reason, "as_of": as_of.isoformat()}
    announce(event, f"model.{model}", model=model, **news)


def check_move(log: Log, target: str, expected: str | None, as_of: datetime) -> None:
    """Refuse a move whose precondition does not hold any more."""
    champion = log.champion()
    if expected != champion:
        raise NotMovedError(f"the champion of {log.model} is version {champion} now, not {expected}: nothing was done")
    if champion == target:
        raise InputError(f"version {target} of {log.model} is the champion already")
    if log.moves and as_of < log.moves[-1].as_of:
        raise NotMovedError(
            f"as_of {as_of} lies before the newest promotion ({log.moves[-1].as_of}): a replay moves nothing"
        )


def close_open_moves(log: Log) -> None:
    """Close records of processes that died in a move: done if the pointer got there, else failed."""
    alias = current_alias(log.model)
    for record in log.of("promotion", "rollback"):
        if record.status == "RUNNING":
            decision_log.close_record(record.id, done=record.tags["target"] == alias)
