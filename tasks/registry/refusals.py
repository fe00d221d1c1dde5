"""What is asked for and not done: an event acts only by the entry that it names, and a refusal is recorded once."""

from operator import attrgetter

from tasks.core.errors import InputError
from tasks.registry.decision_log import decide, find_entry
from tasks.registry.entries import Checked, Refused
from tasks.registry.state import Log

ASKED = attrgetter("work", "cause", "window", "event", "reason")  # who asked, and why it was not done


def was_answered(log: Log, entry: Checked) -> bool:
    """Whether the version was rolled back since that window; if it is champion again, somebody wants it so."""
    since = [move for move in log.moves if f"{move.as_of:%Y-%m-%d}" >= entry.window]
    return any(move.kind == "rollback" and move.replaces == entry.version for move in since)


def require_degraded(log: Log, event: str, clock: str) -> Checked:
    """The check that an event names: by the log, it found its version degraded, and nobody acted on it.

    Raises:
        InputError: There is no such check, or it was answered; the refusal is on record.
    """
    entry = find_entry(log, event, Checked)
    if entry is None or not entry.degraded:
        why = f"{event} names no check on record that found a version degraded: nothing was done"
    elif was_answered(log, entry):
        why = f"version {entry.version} was rolled back for window {entry.window} already: nothing was done"
    else:
        return entry
    refuse(log.model, Refused(work="rollback", cause="degraded", event=event, reason=why, as_of=log.now(clock)))
    raise InputError(why)


def refuse(model: str, refusal: Refused) -> None:
    """Record a refusal, once for whoever asked and why."""

    def judge(log: Log) -> Refused | None:
        seen = map(ASKED, log.of(Refused))
        return None if ASKED(refusal) in seen else refusal

    decide(model, judge)
