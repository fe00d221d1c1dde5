"""Recording window checks and emitting their events."""

from datetime import datetime

from prefect import task
from pydantic import ValidationError

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.store import keep_json, read_json
from tasks.monitoring.window import Window, WindowCheck, reject_window
from tasks.registry.decision_log import record, resource_of
from tasks.registry.entries import Checked
from tasks.registry.refusals import was_answered
from tasks.registry.state import Log

FINDINGS = "findings"  # the folder of the store


@task
def record_check(model: str, as_of: datetime, check: WindowCheck) -> Checked:
    """Keep a check with all its figures; returns its entry."""
    kept = check.model_dump(mode="json")
    findings = keep_json(FINDINGS, kept.pop("findings"))
    quality = check.quality
    return record(
        model,
        Checked(
            as_of=as_of,
            window=check.window,
            version=check.version,
            alarm=check.alarm,
            degraded=bool(quality and quality.degraded),
            check=kept,
            findings=findings,
        ),
    )


def find_checked(log: Log, window: Window, version: str) -> Checked | None:
    """The newest entry of a window and a version."""
    found = [entry for entry in log.of(Checked) if (entry.window, entry.version) == (window.name, version)]
    return found[-1] if found else None


def read_check(entry: Checked, with_findings: bool = False) -> WindowCheck:
    """A check as it was recorded; its findings, column by column, lie in a file of their own."""
    findings = []
    if with_findings:
        try:
            findings = read_json(FINDINGS, entry.findings)
        except InputError as damage:
            print(f"the check of window {entry.window} has lost its findings: {damage}")
    try:
        return WindowCheck.model_validate({**entry.check, "findings": findings})
    except ValidationError as error:
        (fault, *_) = error.errors()
        where = ".".join(map(str, fault["loc"]))
        why = f"entry {entry.number} was made by another version of this code ({where}: {fault['msg']})"
        return reject_window(entry.window, entry.version, why, entry.alarm)


def says_more(check: WindowCheck, known: WindowCheck, min_labels: int) -> bool:
    """Whether a check adds to the newest on record: once quality is known, so many more labels must have arrived.

    Re-testing on every new label inflates false alarms.
    """
    if known.quality is None:
        return check != known.model_copy(update={"alarm_from": check.alarm_from})  # a setting, no finding
    return check.quality is not None and check.quality.rows >= known.quality.rows + min_labels


def tell_check(log: Log, entry: Checked, known: Checked | None = None) -> None:
    """Emit data.rejected, data.drifted or model.degraded for a check; drift of a window is told once."""
    check, facts, subject = read_check(entry), describe_check(log.model, entry), resource_of(log.model, entry)
    if check.rejected:
        announce("data.rejected", f"data.{log.model}.{check.window}", **facts, reason=check.rejected)
    if check.alarm and not (known and known.alarm):
        announce("data.drifted", subject, **facts, columns=check.drifted)
    tell_degraded(log, entry)


def tell_degraded(log: Log, entry: Checked) -> None:
    """Emit model.degraded, as long as nobody has answered it."""
    quality = read_check(entry).quality
    if quality and entry.degraded and not was_answered(log, entry):
        reason = f"window {entry.window}: mean loss gain over version {quality.predecessor} is {quality.gain}"
        announce("model.degraded", resource_of(log.model, entry), **describe_check(log.model, entry), reason=reason)


def describe_check(model: str, entry: Checked) -> dict[str, str]:
    """The payload that all events of a check share."""
    return {
        "model": model,
        "window": entry.window,
        "as_of": entry.as_of.isoformat(),
        "version": entry.version,
    }
