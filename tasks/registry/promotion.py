"""Moving the champion pointer: under a lock, intent recorded, pointer moved, done recorded; never by a replay."""

from datetime import datetime
from typing import Literal

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.locks import only_one
from tasks.core.provenance import who
from tasks.registry import decision_log as logbook
from tasks.registry.versions import CHAMPION, current_alias, find_moves, find_predecessor, load_version, logical_now

LOCK_SECONDS = 60


class NotMovedError(InputError):
    """The pointer stays where it is, for a reason that is no mistake."""


@task
def promote_version(model: str, version: str, champion: str | None, as_of: datetime, reason: str) -> None:
    """Make a judged version champion, once, if the champion it was judged against still is; else say why not."""
    try:
        if any(move.target == version for move in find_moves(model)):
            raise NotMovedError(f"version {version} of {model} has been champion already")
        move_pointer("promotion", model, version, champion, as_of, reason)
    except NotMovedError as hindrance:
        print(f"not promoted: {hindrance}")


def promote_by_hand(model: str, version: str, reason: str, clock: str) -> None:
    """A person's override of the gate."""
    move_pointer("promotion", model, version, "any", logical_now(model, clock), reason)


def roll_back(model: str, reason: str, clock: str, champion: str | None = None) -> tuple[str, str]:
    """Return to the newest earlier champion that was not itself rolled back.

    Args:
        model: The registered model.
        reason: Why, for the record.
        clock: As in params.yaml.
        champion: Act only if this version is still champion; None is whichever is.

    Returns:
        The version that was champion, and the one that is now.
    """
    origin = current_alias(model)
    if champion is not None and origin != champion:
        raise InputError(
            f"version {champion} of {model} is not the champion any more, version {origin} is: nothing was done"
        )
    target = find_predecessor(model)
    if origin is None or target is None:
        raise InputError(f"{model} has no earlier champion to roll back to")
    move_pointer("rollback", model, target, origin, logical_now(model, clock), reason)
    return origin, target


def move_pointer(
    kind: Literal["promotion", "rollback"],
    model: str,
    target: str,
    expected: str | None,
    as_of: datetime,
    reason: str,
    by: str | None = None,
) -> None:
    """The only place that moves the pointer; who is the account of this process, if nobody is named.

    Raises:
        InputError: The champion is not `expected` ("any" takes whichever it is), as_of lies before the newest move,
            or the files of the target are not those that were registered. The champion stays.
    """
    if not reason.strip():
        raise InputError("a reason is needed: it is what the record will show")
    with only_one("move of the champion", LOCK_SECONDS):
        settle(model)
        moves, origin = find_moves(model), current_alias(model)
        if expected not in ("any", origin):
            raise NotMovedError(f"the champion of {model} is version {origin} now, not {expected}: nothing was done")
        if origin == target:
            raise InputError(f"version {target} of {model} is the champion already")
        if moves and as_of < moves[-1].as_of:
            raise NotMovedError(
                f"as_of {as_of} lies before the newest promotion ({moves[-1].as_of}): a replay moves nothing"
            )
        load_version(model, target)
        facts = {"origin": origin or "", "target": target, "by": by or who(), "reason": reason}
        tags = facts | {"reason": reason[: logbook.TAG_LENGTH]}  # the evidence keeps all of it
        run_id = logbook.open_record(model, kind, as_of, facts, **tags)
        logbook.client().set_registered_model_alias(model, CHAMPION, target)
        logbook.close_record(run_id)
    event = "model.promoted" if kind == "promotion" else "model.rolled-back"
    facts = {"version": target, "replaces": origin, "reason": reason, "as_of": as_of.isoformat()}
    announce(event, f"model.{model}", model=model, **facts)


def settle(model: str) -> None:
    """Close records of processes that died in a move: done if the pointer got there, else failed."""
    alias = current_alias(model)
    for run in logbook.find_records(model, "promotion", "rollback"):
        if run.info.status == "RUNNING":
            logbook.close_record(run.info.run_id, done=run.data.tags["target"] == alias)
