"""Before the first training: what the outcomes look like, and settings that suit data of this size."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import yaml

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.use_case import folder_of

GATES, VALIDATIONS = (28, 42, 56, 91, 182, 365, 730), (14, 28, 56, 91, 182, 365)  # days
ENOUGH, LEAST = 300, 60  # gate rows: below the first a longer gate is looked for, below the second none will do
VALIDATION_ROWS, TRAIN_ROWS = 50, 100
WEEK, ENOUGH_DUE = timedelta(days=7), 50  # how long, and for how many rows, outcomes are looked at that are due
SPARE = 4  # days of a proposed gate beyond gate.min_days, since outcomes are late some day
Settings = dict[str, Any]  # as in a params.yaml: sections with their settings
Change = tuple[str, str, Any]  # section, setting and value
Gate = tuple[int, pl.DataFrame]  # its days and its rows


def describe_outcomes(frame: pl.DataFrame, rows: pl.DataFrame) -> str:
    """How many rows have an outcome, what TARGET is taken for, and how long after the event it is known.

    Args:
        frame: The feature frame.
        rows: Its labelled rows, as labelled_rows gives them.
    """
    delay = (rows["label_time"] - rows["event_time"]).dt.total_seconds()
    middle, most = (tell_span(timedelta(seconds=float(delay.quantile(share) or 0))) for share in (0.5, 0.95))
    return (
        f"{rows.height:,} of {frame.height:,} rows have an outcome ({rows.height / frame.height:.1%}); TARGET is "
        f"{describe_target(frame, rows['target'])}; by the contract it is known {middle} after the event in the "
        f"median, {most} in 95%{tell_missing(frame, rows)}"
    )


def tell_missing(frame: pl.DataFrame, rows: pl.DataFrame) -> str:
    """That many rows lack an outcome which by the contract was known lately: then features may hold it too early."""
    newest = rows["label_time"].max()
    due = frame.filter(pl.col("label_time") <= newest).with_columns(missing=pl.col("target").is_null())
    lately = pl.col("label_time") > pl.lit(newest) - WEEK
    recent, before = due.filter(lately)["missing"], due.filter(~lately)["missing"]
    now, usual = (float(part.mean() or 0) for part in (recent, before))  # ty: ignore[invalid-argument-type]
    if len(recent) < ENOUGH_DUE or not len(before) or now <= 2 * usual + 0.05:
        return ""
    return (
        f"; of those due in its last week {now:.0%} have none, of those before {usual:.0%}: outcomes are late, or "
        "outcomes_known_at of project/contract.py is too early, which is a leak"
    )


def describe_target(frame: pl.DataFrame, target: pl.Series) -> str:
    """What a target is taken for."""
    if target.dtype != pl.Boolean:
        span = f"{target.min():g} to {target.max():g}, {target.mean():.4g} in the mean"
        return f"a number from {span}: its value is predicted"
    taken = "" if frame["target"].dtype == pl.Boolean else "0 or 1, taken as false and true, "
    return f"{taken}true in {target.mean():.1%}: its probability is predicted"


def tell_span(span: timedelta) -> str:
    """A span in its largest unit."""
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if abs(hours) >= 48 else f"{hours:.1f} hours"


def require_suited(rows: pl.DataFrame, as_of: datetime, params: Params, first: bool) -> None:
    """Stop a first training that the settings cannot let pass, before time is spent; advise on what would only wait.

    Args:
        rows: Labelled rows of the feature frame.
        as_of: The logical time of the training.
        params: The settings.
        first: Whether the model has no version yet; else there is advice alone.

    Raises:
        InputError: With every setting to change, and a value that suits the data.
    """
    try:
        changes = suit(rows, as_of, params)
    except InputError:
        if first:
            raise
        return
    if not changes:
        return
    where = f"project/{folder_of(params.model)}/params.yaml"
    found = (
        f"{rows.height:,} labelled rows, {rows_a_day(rows):,.1f} a day, do not suit the settings: write into {where}"
    )
    told = f"{found}\n{yaml.safe_dump(changes, sort_keys=False).strip()}"
    if first and {"split", "gate"} & changes.keys():
        raise InputError(told)
    print(f"advice: {told}")


def suit(rows: pl.DataFrame, as_of: datetime, params: Params, spare: int = 0) -> Settings:
    """The settings to change, with values that suit the data; days of the gate are to be some more than required.

    Raises:
        InputError: No settings would do: there are too few rows.
    """
    changes: Settings = {}
    for section, name, value in (*needs(rows, as_of, params, spare), *advice(rows, params)):
        changes.setdefault(section, {})[name] = value
    return changes


def rows_a_day(rows: pl.DataFrame) -> float:
    """Labelled rows a day, from the first to the last."""
    span = rows["event_time"].max() - rows["event_time"].min()  # ty: ignore[unsupported-operator]
    return rows.height / max(1.0, span / timedelta(days=1))


def needs(rows: pl.DataFrame, as_of: datetime, params: Params, spare: int) -> Iterator[Change]:
    """Settings without which the gate has too little to judge by, or a set stays empty."""
    gate_start = as_of - params.split.gate
    gate = rows.filter(pl.col("event_time") >= gate_start)
    short = gate.height < params.gate.min_rows or days_in(gate) < params.gate.min_days
    tight = short or days_in(gate) < params.gate.min_days + spare
    offered = offer_gates(rows, as_of, params) if tight else []
    if short and not offered:
        raise InputError(describe_few(rows, as_of))
    if offered:
        days, gate = choose_gate(offered, params)
        gate_start = as_of - timedelta(days=days)
        if timedelta(days=days) != params.split.gate:
            yield "split", "gate", f"{days}d"
        if gate.height < params.gate.min_rows:
            yield "gate", "min_rows", int(0.7 * gate.height)
    before = rows.filter(pl.col("label_time") < gate_start)
    if not can_validate(before, gate_start - params.split.validation):
        days = next((d for d in VALIDATIONS if can_validate(before, gate_start - timedelta(days=d))), None)
        if days is None:
            raise InputError(describe_few(rows, as_of))
        yield "split", "validation", f"{days}d"


def choose_gate(offered: list[Gate], params: Params) -> Gate:
    """The shortest gate with enough labelled rows, and days to spare."""
    most = [found for found in offered if found[1].height >= ENOUGH]
    roomy = [found for found in most if days_in(found[1]) >= params.gate.min_days + SPARE]
    return next(iter(roomy or most), offered[-1])


def offer_gates(rows: pl.DataFrame, as_of: datetime, params: Params) -> list[Gate]:
    """The gates of at most a third of the data that hold enough to judge by: their days and their rows."""
    third = (as_of - rows["event_time"].min()) / 3  # ty: ignore[unsupported-operator]
    offered = [days for days in GATES if timedelta(days=days) <= third]
    windows = [(days, rows.filter(pl.col("event_time") >= as_of - timedelta(days=days))) for days in offered]
    return [(d, gate) for d, gate in windows if gate.height >= LEAST and days_in(gate) >= params.gate.min_days]


def can_validate(before: pl.DataFrame, start: datetime) -> bool:
    """Whether enough rows are left to choose hyperparameters by, and to fit on."""
    later = before.filter(pl.col("event_time") >= start).height
    return later >= VALIDATION_ROWS and before.filter(pl.col("label_time") < start).height >= TRAIN_ROWS


def days_in(rows: pl.DataFrame) -> int:
    """How many days hold a row."""
    return rows["event_time"].dt.date().n_unique()


def describe_few(rows: pl.DataFrame, as_of: datetime) -> str:
    """That no settings help."""
    first = rows["event_time"].min()
    return (
        f"{rows.height:,} labelled rows from {first:%Y-%m-%d} to as_of {as_of:%Y-%m-%d} are too few to train, validate "
        f"and judge a model: a gate of at most a third of that time needs {LEAST} of them; add older ones"
    )


def advice(rows: pl.DataFrame, params: Params) -> Iterator[Change]:
    """Settings that would let later steps wait, or stop, too often."""
    month = int(28 * rows_a_day(rows))
    if month < params.monitor.min_labels:
        yield "monitor", "min_labels", max(1, month // 2)
    if 3 * month < params.retrain.min_new_rows:
        yield "retrain", "min_new_rows", month
