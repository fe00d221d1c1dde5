"""Whether to train now: of trainings that answer drift or a schedule. One by hand always goes."""

from datetime import datetime
from typing import Literal, NamedTuple

from tasks.core.params import Retrain

Cause = Literal["hand", "drift", "schedule"]


class Request(NamedTuple):
    """Who asks for a training, and why."""

    as_of: datetime
    cause: Cause = "hand"
    window: str | None = None  # that drifted, if an event named one
    force: bool = False  # passes cooldown and minimum rows, and nothing else
    reason: str = ""


class Past(NamedTuple):
    """What is on record before as_of."""

    trainings: list[datetime]  # as_of of each that ended in a verdict
    rollbacks: list[datetime]
    alarms: dict[str, bool]  # by window, in order: whether it drifted, whoever was champion


def why_not(request: Request, past: Past, new_rows: int, retrain: Retrain) -> str | None:
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
