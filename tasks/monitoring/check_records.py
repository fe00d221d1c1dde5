"""Checks on record, and who hears of them."""

from datetime import datetime

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.monitoring.window_check import WindowCheck
from tasks.monitoring.windows import Window
from tasks.registry import decision_log as logbook
from tasks.registry.versions import find_moves


@task
def record_check(model: str, as_of: datetime, check: WindowCheck) -> None:
    """Keep a check with all its figures."""
    quality = check.quality
    tags = {
        "window": check.window,
        "version": check.version,
        "alarm": str(check.alarm),
        "degraded": str(bool(quality and quality.degraded)),
    }
    run_id = logbook.open_record(model, "check", as_of, check.model_dump(mode="json"), **tags)
    logbook.log_numbers(run_id, quality.metrics if quality else {}, {"drifted": ", ".join(check.drifted)})
    logbook.close_record(run_id)


def find_checks(model: str, **tags: str) -> list[WindowCheck]:
    """The checks on record that bear these tags, oldest first."""
    records = [record for record in logbook.find_records(model, "check") if record.info.status == "FINISHED"]
    chosen = [record for record in records if tags.items() <= record.data.tags.items()]
    return [WindowCheck.model_validate(logbook.read_evidence(model, record.info.run_id)) for record in chosen]


def find_check(model: str, window: Window, version: str) -> WindowCheck | None:
    """The newest check of a window for a version."""
    found = find_checks(model, window=window.name, version=version)
    return found[-1] if found else None


def says_more(check: WindowCheck, known: WindowCheck, min_labels: int) -> bool:
    """Whether a check adds to the newest on record: once quality is known, so many more labels must have arrived.

    Each look at the labels that trickle in is a chance of a false alarm; this keeps them few.
    """
    if known.quality is None:
        return check != known
    return check.quality is not None and check.quality.rows >= known.quality.rows + min_labels


def tell_check(model: str, as_of: datetime, check: WindowCheck, known: WindowCheck | None = None) -> None:
    """Let whoever listens hear of an alarm, of lost quality, and of data that cannot be used; an alarm is told once."""
    facts = describe_check(model, as_of, check)
    if check.rejected:
        announce("data.rejected", f"data.{model}.{check.window}", **facts, reason=check.rejected)
    if check.alarm and not (known and known.alarm):
        announce("data.drifted", f"model.{model}.{check.window}", **facts, columns=check.drifted)
    tell_degraded(model, as_of, check)


def tell_degraded(model: str, as_of: datetime, check: WindowCheck) -> None:
    """Let whoever listens hear that the champion is worse than its predecessor, until that was answered."""
    if check.quality and check.quality.degraded and not was_answered(model, check):
        facts = describe_check(model, as_of, check)
        reason = f"window {check.window}: loss gain over version {check.quality.predecessor} is {check.quality.gain}"
        announce("model.degraded", f"model.{model}.{check.window}", **facts, reason=reason)


def describe_check(model: str, as_of: datetime, check: WindowCheck) -> dict[str, str]:
    """What every event of a check tells."""
    return {"model": model, "window": check.window, "as_of": as_of.isoformat(), "version": check.version}


def was_answered(model: str, check: WindowCheck) -> bool:
    """Whether the version was rolled back since that window; if it is champion again, somebody wants it so."""
    since = [move for move in find_moves(model) if f"{move.as_of:%Y-%m-%d}" >= check.window]
    return any(move.kind == "rollback" and move.origin == check.version for move in since)


def require_degraded(model: str, window: str, version: str | None) -> None:
    """The record says what an event claims: this version was found degraded in this window, and nobody acted on it.

    Raises:
        InputError: It does not.
    """
    checks = find_checks(model, window=window, version=version or "")
    if not (checks and checks[-1].quality and checks[-1].quality.degraded):
        raise InputError(
            f"no check on record says that version {version} degraded in window {window}: nothing was done"
        )
    if was_answered(model, checks[-1]):
        raise InputError(f"version {version} was rolled back for window {window} already: nothing was done")
