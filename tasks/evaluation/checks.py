"""The checks of the gate, each with its numbers."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from pydantic import BaseModel

from tasks.core.errors import InputError
from tasks.core.params import Gate
from tasks.evaluation.gains import Scores
from tasks.evaluation.intervals import Interval, auc_gain, mean_gain
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION, losses


class Check(BaseModel):
    """One reason for or against: what was measured, the bound, and whether it holds."""

    name: str
    passed: bool
    measured: str
    required: str

    def __str__(self) -> str:
        return f"{self.name}: {self.measured}, required {self.required}"


def require_fit(gate: Gate, frame: pl.DataFrame) -> None:
    """The gate's metrics suit the target, and its slices are features.

    Raises:
        InputError: One does not; found before any time is spent on tuning.
    """
    kind, known = ("Boolean", CLASSIFICATION) if frame["target"].dtype == pl.Boolean else ("a number", REGRESSION)
    for name in (*gate.minimum, *gate.maximum):
        if name not in known:
            raise InputError(
                f"params.yaml: gate names {name}, but the target is {kind}: choose from {', '.join(known)}"
            )
    for column in gate.slices:
        if column not in frame.columns:
            raise InputError(f"params.yaml: gate.slices names {column}, which is no column that features.py makes")


def enough_evidence(scores: Scores, gate: Gate) -> Iterator[Check]:
    """The gate rows can carry a verdict, and each model gave every row a usable score."""
    days, rows = len(np.unique(scores.days)), len(scores.target)
    yield Check(
        name="gate days", passed=days >= gate.min_days, measured=f"{days}", required=f"at least {gate.min_days}"
    )
    yield Check(
        name="gate rows", passed=rows >= gate.min_rows, measured=f"{rows:,}", required=f"at least {gate.min_rows:,}"
    )
    probability = scores.target.dtype == bool
    required = f"one for each of {rows:,} rows" + (", from 0 to 1" if probability else "")
    for model in ("challenger", "champion"):
        given = getattr(scores, model)
        if given is None:
            continue
        usable = int(np.sum((given >= 0) & (given <= 1) if probability else np.isfinite(given)))
        whole = len(given) == usable == rows
        yield Check(name=f"usable scores of the {model}", passed=whole, measured=f"{usable:,}", required=required)
    distinct = len(np.unique(scores.challenger))
    yield Check(name="distinct scores", passed=distinct > 1, measured=f"{distinct:,}", required="more than 1")


def meets_thresholds(measured: dict[str, float], gate: Gate) -> Iterator[Check]:
    """The absolute bounds of params.yaml."""
    bounds = [(name, bound, "at least") for name, bound in gate.minimum.items()]
    bounds += [(name, bound, "at most") for name, bound in gate.maximum.items()]
    for name, bound, which in bounds:
        passed = measured[name] >= bound if which == "at least" else measured[name] <= bound
        yield Check(name=name, passed=passed, measured=f"{measured[name]:.4f}", required=f"{which} {bound:g}")


def beats_baseline(scores: Scores, gate: Gate) -> Iterator[Check]:
    """A lower loss than always predicting the mean, with confidence."""
    gain = losses(scores.target, scores.baseline) - losses(scores.target, scores.challenger)
    interval = mean_gain(gain, scores.days, gate.confidence)
    yield clear_gain(f"{scores.loss} gain over the baseline", interval, gate.confidence)


def beats_champion(scores: Scores, gate: Gate) -> Iterator[Check]:
    """On the same rows: better AUC with confidence and better log loss; for regression squared error and MAE."""
    if scores.champion is None:
        return
    target, days, confidence = scores.target, scores.days, gate.confidence
    loss = mean_gain(losses(target, scores.champion) - losses(target, scores.challenger), days, confidence)
    if target.dtype == bool:
        auc = auc_gain(target, scores.challenger, scores.champion, days, confidence)
        yield clear_gain("AUC gain over the champion", auc, confidence)
        name, passed, measured, required = "log loss better than the champion's", loss.difference > 0, loss, "gain > 0"
    else:
        yield clear_gain("squared error gain over the champion", loss, confidence)
        measured = mean_gain(np.abs(target - scores.champion) - np.abs(target - scores.challenger), days, confidence)
        name, passed, required = "MAE not worse than the champion's", measured.difference >= 0, "gain >= 0"
    yield Check(name=name, passed=passed, measured=show(measured, confidence), required=required)


def spares_slices(scores: Scores, gains: dict[str, dict[str, Interval]], gate: Gate) -> Iterator[Check]:
    """No value of a slice column with enough rows is clearly worse off than under the champion."""
    for column, intervals in gains.items():
        worst = min(intervals, key=lambda value: intervals[value].high)
        measured = f"{worst}: {show(intervals[worst], gate.slice_confidence)}"
        passed, required = intervals[worst].high >= 0, "upper end >= 0 for the worst"
        yield Check(name=f"{scores.loss} of every {column}", passed=passed, measured=measured, required=required)


def clear_gain(name: str, gain: Interval, confidence: float) -> Check:
    return Check(name=name, passed=gain.low > 0, measured=show(gain, confidence), required="lower end > 0")


def show(gain: Interval, confidence: float) -> str:
    """A gain and its interval; its two-sided level follows from the one-sided confidence."""
    return f"{gain.difference:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] at {2 * confidence - 1:.0%}"
