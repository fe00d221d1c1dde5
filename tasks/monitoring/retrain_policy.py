"""The retrain policy: whether to train now in answer to drift or a schedule. A training by hand always goes."""

from datetime import datetime
from typing import NamedTuple

import polars as pl

from tasks.core.params import Retrain
from tasks.registry import decision_log
from tasks.registry.versions import Log
from tasks.training.challenger import Request


class Past(NamedTuple):
    """What is on record before as_of."""

    trainings: list[datetime]  # as_of of each that ended in a verdict
    rollbacks: list[datetime]
    alarms: dict[str, bool]  # by window, in order: whether it drifted, whoever was champion


def decide(request: Request, log: Log, rows: pl.DataFrame, retrain: Retrain) -> str | None:
    """Ask the policy about a training; a refusal is recorded and its reason returned.

    Args:
        request: Who asks.
        log: What is on record.
        rows: Labelled feature frame.
        retrain: The policy's settings.
    """
    past = read_past(log, request.as_of)
    since = max(past.trainings, default=None)
    new_rows = rows.filter(pl.col("label_time") >= since).height if since else rows.height
    reason = refusal_reason(request, past, new_rows, retrain)
    if reason:
        facts = {"cause": request.cause, "window": request.window or "", "reason": reason}
        decision_log.close_record(decision_log.open_record(log.model, "refusal", request.as_of, facts, **facts))
    return reason


def read_past(log: Log, as_of: datetime) -> Past:
    """What the log says of trainings, rollbacks and checks up to as_of."""
    known = [record for record in log.records if record.finished and record.as_of <= as_of]
    alarms: dict[str, bool] = {}
    for record in known:
        if record.kind == "check":
            alarms[record.tags["window"]] = alarms.get(record.tags["window"], False) or record.tags["alarm"] == "True"
    trainings, rollbacks = ([r.as_of for r in known if r.kind == kind] for kind in ("training", "rollback"))
    return Past(trainings, rollbacks, dict(sorted(alarms.items())))


def refusal_reason(request: Request, past: Past, new_rows: int, retrain: Retrain) -> str | None:
    """The reason not to train, in one line; None to go.

    Args:
        request: Who asks.
        past: What is on record.
        new_rows: Labelled since the last training.
        retrain: The policy's settings.
    """
    if request.cause == "hand":
        return None
    if reason := no_cause(request, past, retrain):
        return reason
    if request.force:
        return None
    acts = [*past.trainings, *past.rollbacks]
    if acts and request.as_of - max(acts) < retrain.cooldown:
        return f"cooldown: the last training or rollback was as of {max(acts):%Y-%m-%d}"
    if past.trainings and new_rows < retrain.min_new_rows:
        least = f"retrain.min_new_rows is {retrain.min_new_rows:,}"
        return f"only {new_rows:,} rows were labelled since the last training, {least}"
    return None


def no_cause(request: Request, past: Past, retrain: Retrain) -> str | None:
    """Why nothing asks for a training: no drift, or drift that has its verdict."""
    due = retrain.every and past.trainings and request.as_of - max(past.trainings) >= retrain.every
    if request.cause == "schedule" and due:
        return None
    window = request.window or next(reversed(past.alarms), None)
    if window is None:
        return "no window was checked yet"
    if not past.alarms.get(window):
        return f"no check on record says that window {window} drifted"
    if any(f"{answer:%Y-%m-%d}" >= window for answer in past.trainings):
        return f"the drift of window {window} has its verdict"
    last = list(past.alarms.values())[-retrain.of_windows :]
    if sum(last) < retrain.alarms:
        return f"{sum(last)} of the last {retrain.of_windows} windows drifted, retrain.alarms is {retrain.alarms}"
    return None
