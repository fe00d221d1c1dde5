"""The retrain policy: whether to train now in answer to drift or a schedule. A training by hand always goes."""

from datetime import datetime
from typing import NamedTuple

import polars as pl

from tasks.core.params import Retrain
from tasks.registry.decision_log import find_entry
from tasks.registry.entries import Checked, Judged, Move, Refused
from tasks.registry.refusals import refuse
from tasks.registry.state import Log
from tasks.training.challenger import Cause, Request, require_reason


class Past(NamedTuple):
    """What is on record before as_of."""

    trainings: list[datetime]  # as_of of each that ended in a verdict
    rollbacks: list[datetime]
    alarms: dict[str, bool]  # by window, in order: whether it drifted, whoever was champion


def make_request(log: Log, as_of: datetime, cause: Cause, event: str, force: bool, reason: str) -> Request:
    """Who asks for a training, and why; of an event, time and window are what the check on record says.

    Raises:
        InputError: It is forced without a reason.
    """
    require_reason(force, reason)
    check = find_entry(log, event, Checked)
    window = check.window if check else None
    return Request(check.as_of if check else as_of, cause, window, force, reason, event)


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
    reason = moved_since(request, log) or refusal_reason(request, past, new_rows, retrain)
    if reason:
        asked = {"cause": request.cause, "window": request.window or "", "event": request.event}
        refuse(
            log.model, Refused.model_validate({"work": "training", "as_of": request.as_of, "reason": reason, **asked})
        )
    return reason


def moved_since(request: Request, log: Log) -> str | None:
    """Why a challenger could not be promoted: the champion moved since, as by the rollback of the same check."""
    if request.cause == "hand" or not log.moves or log.moves[-1].as_of <= request.as_of:
        return None
    return f"the champion moved after {request.as_of:%Y-%m-%d %H:%M}: the next scheduled training answers, from there"


def read_past(log: Log, as_of: datetime) -> Past:
    """What the log says of trainings, rollbacks and checks up to as_of."""
    alarms: dict[str, bool] = {}
    for check in log.of(Checked):
        if check.as_of <= as_of:
            alarms[check.window] = alarms.get(check.window, False) or check.alarm
    trainings = [entry.as_of for entry in log.of(Judged) if entry.as_of <= as_of]
    rollbacks = [move.as_of for move in log.of(Move) if move.kind == "rollback" and move.as_of <= as_of]
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
    if request.event and request.window is None:
        return f"{request.event} names no check on record"
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
