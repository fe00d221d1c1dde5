"""Rows in time order: train, validation (for tuning only), gate (seen by neither)."""

from datetime import datetime
from typing import NamedTuple

import polars as pl

from tasks.core.errors import InputError
from tasks.core.params import Split
from tasks.core.use_case import UseCase
from tasks.evaluation.metrics import to_truth
from tasks.registry.versions import Champion


class Sets(NamedTuple):
    """Feature frames; `fit` is what the challenger is fitted on: train, validation, and what lies between."""

    train: pl.DataFrame
    validation: pl.DataFrame
    fit: pl.DataFrame
    gate: pl.DataFrame


def labelled_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows whose target is known; a number that is 0 or 1 in all of them becomes false and true.

    Raises:
        InputError: There are none.
    """
    labelled = frame.filter(pl.col("target").is_not_null())
    if labelled.is_empty():
        raise InputError("TARGET in target.py is null for every row known before as_of: nothing to learn")
    return labelled.with_columns(to_truth(labelled["target"]))


def agree_on_kind(use_case: UseCase, rows: pl.DataFrame, champion: Champion | None) -> pl.DataFrame:
    """The rows with the kind of target that the champion predicts: true or false, or a number.

    Raises:
        InputError: The target is of another kind now.
    """
    known, now = champion and champion.bundle.card.get("target"), str(rows["target"].dtype)
    if champion is None or known in (None, now):
        return rows
    if known == "Float64" and use_case.target_type != pl.Boolean:  # it happens to be 0 or 1 in these rows
        return rows.cast({"target": pl.Float64})
    raise InputError(
        f"champion version {champion.version} predicts a {known} target, and TARGET is {now} now, which cannot be "
        "compared: make TARGET what it was, by a condition such as == 1, or begin another model"
    )


def first_event(as_of: datetime, split: Split) -> datetime | None:
    """The earliest event time that training as of a moment uses; None is no limit."""
    return None if split.history is None else as_of - split.gate - split.history


def split_rows(frame: pl.DataFrame, as_of: datetime, split: Split) -> Sets:
    """Cut a feature frame at the gate and before it; a row belongs to a set if it was over and known when that ended.

    Raises:
        InputError: A set would be empty.
    """
    gate_start = as_of - split.gate
    validation_start = gate_start - split.validation
    ends = pl.max_horizontal("event_time", "label_time")  # an outcome may be known before its event
    fit = frame.filter(ends < gate_start)
    if since := first_event(as_of, split):
        fit = fit.filter(pl.col("event_time") >= since)
    sets = Sets(
        train=fit.filter(ends < validation_start),
        validation=fit.filter(pl.col("event_time") >= validation_start),
        fit=fit,
        gate=frame.filter(pl.col("event_time") >= gate_start),
    )
    for name, rows in sets._asdict().items():
        if rows.is_empty():
            raise InputError(
                f"as_of {as_of:%Y-%m-%d %H:%M} leaves no rows in the {name} set: the data holds rows from "
                f"{frame['event_time'].min()} to {frame['event_time'].max()}; choose a later as_of or a shorter split"
            )
        if rows["target"].n_unique() < 2:
            raise InputError(
                f"as of {as_of:%Y-%m-%d %H:%M} every target of the {name} set is the same: nothing to learn"
            )
    return sets
