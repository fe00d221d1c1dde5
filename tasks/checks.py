"""The checks of the gate, each with its numbers."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel

from tasks import metrics
from tasks.metrics import Interval
from tasks.params import Gate


class Check(BaseModel):
    """One reason for or against: what was measured, the bound, and whether it holds."""

    name: str
    passed: bool
    measured: str
    required: str


class Scores(NamedTuple):
    """What the gate sees, one entry a row; the baseline is the base rate of the rows the challenger was fitted on."""

    target: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray | None
    baseline: np.ndarray
    days: np.ndarray


def enough_evidence(scores: Scores, gate: Gate) -> Iterator[Check]:
    """The gate rows can carry a verdict, and the challenger gave each a usable score."""
    days, rows = len(np.unique(scores.days)), len(scores.target)
    yield Check(
        name="gate days", passed=days >= gate.min_days, measured=f"{days}", required=f"at least {gate.min_days}"
    )
    yield Check(
        name="gate rows", passed=rows >= gate.min_rows, measured=f"{rows:,}", required=f"at least {gate.min_rows:,}"
    )
    usable = int(np.sum((scores.challenger >= 0) & (scores.challenger <= 1)))
    whole = len(scores.challenger) == usable == rows
    yield Check(
        name="scores from 0 to 1", passed=whole, measured=f"{usable:,}", required=f"one for each of {rows:,} rows"
    )


def meets_thresholds(measured: dict[str, float], gate: Gate) -> Iterator[Check]:
    """The absolute bounds of params.yaml."""
    for name, bound in gate.minimum.items():
        yield Check(
            name=name, passed=measured[name] >= bound, measured=f"{measured[name]:.4f}", required=f"at least {bound:g}"
        )
    for name, bound in gate.maximum.items():
        yield Check(
            name=name, passed=measured[name] <= bound, measured=f"{measured[name]:.4f}", required=f"at most {bound:g}"
        )


def beats_baseline(scores: Scores, gate: Gate) -> Iterator[Check]:
    """Better log loss than always predicting the base rate, with confidence."""
    gain = metrics.log_loss_gain(scores.target, scores.challenger, scores.baseline, scores.days, gate.confidence)
    yield gain_check("log loss gain over the baseline", gain, gate.confidence)


def beats_champion(scores: Scores, gate: Gate) -> Iterator[Check]:
    """Better AUC with confidence, and better log loss as a point estimate, on the same rows."""
    if scores.champion is None:
        return
    paired = (scores.target, scores.challenger, scores.champion, scores.days, gate.confidence)
    yield gain_check("AUC gain over the champion", metrics.auc_gain(*paired), gate.confidence)
    gain = metrics.log_loss_gain(*paired)
    name, measured = "log loss better than the champion's", show(gain, gate.confidence)
    yield Check(name=name, passed=gain.difference > 0, measured=measured, required="gain > 0")


def spares_slices(scores: Scores, slices: pl.DataFrame, gate: Gate) -> Iterator[Check]:
    """No value of a slice column with enough rows is clearly worse off than under the champion."""
    if scores.champion is None:
        return
    for column in slices.columns:
        worst = None
        for value, rows in slices.with_row_index().group_by(column, maintain_order=True):
            if len(rows) >= gate.slice_min_rows:
                at = rows["index"].to_numpy()
                paired = (scores.target[at], scores.challenger[at], scores.champion[at], scores.days[at])
                gain = metrics.log_loss_gain(*paired, gate.slice_confidence)
                worst = min((gain.high, str(value[0]), gain), worst or (np.inf, "", gain))
        if worst:
            high, value, gain = worst
            measured = f"{value}: {show(gain, gate.slice_confidence)}"
            name = f"log loss of every {column}"
            yield Check(name=name, passed=high >= 0, measured=measured, required="upper end >= 0 for the worst")


def gain_check(name: str, gain: Interval, confidence: float) -> Check:
    return Check(name=name, passed=gain.low > 0, measured=show(gain, confidence), required="lower end > 0")


def show(gain: Interval, confidence: float) -> str:
    """A gain and its interval; its two-sided level follows from the one-sided confidence."""
    return f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] at {2 * confidence - 1:.0%}"
