"""Recording window checks and emitting their events."""

from datetime import datetime

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.monitoring.window_check import Window, WindowCheck
from tasks.registry import decision_log
from tasks.registry.versions import Log


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
    record_id = decision_log.open_record(model, "check", as_of, check.model_dump(mode="json"), **tags)
    decision_log.log_numbers(record_id, quality.metrics if quality else {}, {"drifted": ", ".join(check.drifted)})
    decision_log.close_record(record_id)


def find_checks(log: Log, **tags: str) -> list[WindowCheck]:
    """The checks on record that bear these tags, oldest first."""
    chosen = [record for record in log.of("check") if record.finished and tags.items() <= record.tags.items()]
    return [WindowCheck.model_validate(decision_log.read_evidence(log.model, record.id)) for record in chosen]


def find_check(log: Log, window: Window, version: str) -> WindowCheck | None:
    """The newest check of a window for a version."""
    found = find_checks(log, window=window.name, version=version)
    return found[-1] if found else None


def says_more(check: WindowCheck, known: WindowCheck, min_labels: int) -> bool:
    """Whether a check adds to the newest on record: once quality is known, so many more labels must have arrived.

    Re-testing on every new label inflates false alarms.
    """
    if known.quality is None:
        return check != known
    return check.quality is not None and check.quality.rows >= known.quality.rows + min_labels


def tell_check(log: Log, as_of: datetime, check: WindowCheck, known: WindowCheck | None = None) -> None:
    """Emit data.rejected, data.drifted or model.degraded for a check; drift of a window is told once."""
    facts = describe_check(log.model, as_of, check)
    if check.rejected:
        announce("data.rejected", f"data.{log.model}.{check.window}", **facts, reason=check.rejected)
    if check.alarm and not (known and known.alarm):
        announce("data.drifted", f"model.{log.model}.{check.window}", **facts, columns=check.drifted)
    tell_degraded(log, as_of, check)


def tell_degraded(log: Log, as_of: datetime, check: WindowCheck) -> None:
    """Emit model.degraded, as long as nobody has answered it."""
    if check.quality and check.quality.degraded and not was_answered(log, check):
        facts = describe_check(log.model, as_of, check)
        reason = f"window {check.window}: loss gain over version {check.quality.predecessor} is {check.quality.gain}"
        announce("model.degraded", f"model.{log.model}.{check.window}", **facts, reason=reason)


def describe_check(model: str, as_of: datetime, check: WindowCheck) -> dict[str, str]:
    """The payload that all events of a check share."""
    return {"model": model, "window": check.window, "as_of": as_of.isoformat(), "version": check.version}


def was_answered(log: Log, check: WindowCheck) -> bool:
    """Whether the version was rolled back since that window; if it is champion again, somebody wants it so."""
    since = [move for move in log.moves if f"{move.as_of:%Y-%m-%d}" >= check.window]
    return any(move.kind == "rollback" and move.origin == check.version for move in since)


def require_degraded(log: Log, window: str, version: str | None) -> None:
    """Check an event against the log: this version was found degraded in this window, and nobody acted on it.

    Raises:
        InputError: It does not.
    """
    checks = find_checks(log, window=window, version=version or "")
    if not (checks and checks[-1].quality and checks[-1].quality.degraded):
        raise InputError(
            f"no check on record says that version {version} degraded in window {window}: nothing was done"
        )
    if was_answered(log, checks[-1]):
        raise InputError(f"version {version} was rolled back for window {window} already: nothing was done")
