"""The gate: reject is the default, and promotion needs evidence on rows that neither model has seen."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.errors import InputError
from tasks.core.params import Gate, Promotion
from tasks.evaluation.intervals import auc_gain, mean_gain
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION, compute_metrics, losses
from tasks.evaluation.verdict import Check, Interval, Verdict

# The least a challenger must show where params.yaml names no gate.minimum.
MINIMUM = {"Boolean": {"roc_auc": 0.55}, "a number": {"r2": 0.0}}


class Scores(NamedTuple):
    """What the gate sees, one entry a row; the baseline is the mean target of the rows the challenger was fitted on."""

    target: np.ndarray  # bool, or float for regression
    challenger: np.ndarray
    champion: np.ndarray | None
    baseline: np.ndarray
    days: np.ndarray

    @property
    def loss(self) -> str:
        """What the loss of a row is called."""
        return "log loss" if self.target.dtype == bool else "squared error"


def require_fit(gate: Gate, frame: pl.DataFrame) -> None:
    """Fail early if the gate names a metric that does not suit the target, or a slice that is no feature.

    Raises:
        InputError: One does not; found before any time is spent on tuning.
    """
    kind, known = ("Boolean", CLASSIFICATION) if frame["target"].dtype == pl.Boolean else ("a number", REGRESSION)
    for name in (*(gate.minimum or {}), *gate.maximum):
        if name not in known:
            raise InputError(
                f"params.yaml: gate names {name}, but the target is {kind}: choose from {', '.join(known)}"
            )
    for column in gate.slices:
        if column not in frame.columns:
            raise InputError(f"params.yaml: gate.slices names {column}, which is no column that features.py makes")


def judge(scores: Scores, slices: pl.DataFrame, gate: Gate) -> Verdict:
    """Promote only if every check holds.

    Args:
        scores: Of all models on the gate rows.
        slices: The columns of gate.slices, row by row.
        gate: Thresholds and confidence.
    """
    checks = list(enough_evidence(scores, gate))
    if not all(check.passed for check in checks):
        return Verdict(decision="reject", checks=checks, metrics={})
    models = {"challenger": scores.challenger, "champion": scores.champion, "baseline": scores.baseline}
    measured = {
        name: compute_metrics(scores.target, score, gate.threshold)
        for name, score in models.items()
        if score is not None
    }
    checks += meets_thresholds(measured["challenger"], gate)
    checks += beats_baseline(scores, gate)
    checks += beats_champion(scores, gate)
    gains = slice_gains(scores, slices, gate)
    checks += spares_slices(scores, gains, gate)
    return Verdict(
        decision="promote" if all(check.passed for check in checks) else "reject",
        checks=checks,
        metrics=measured,
        slices=gains,
        gain_by_day=daily_gain(scores),
    )


def hold_for_review(verdict: Verdict, promotion: Promotion) -> Verdict:
    """In review mode, turn `promote` into `pending`."""
    held = promotion.mode == "review" and verdict.decision == "promote"
    return verdict.model_copy(update={"decision": "pending"}) if held else verdict


def enough_evidence(scores: Scores, gate: Gate) -> Iterator[Check]:
    """Enough gate days and rows, and a usable score of each model for every row."""
    days, rows = len(np.unique(scores.days)), len(scores.target)
    yield Check(
        name="gate days", passed=days >= gate.min_days, measured=f"{days}", required=f"at least {gate.min_days}"
    )
    yield Check(
        name="gate rows", passed=rows >= gate.min_rows, measured=f"{rows:,}", required=f"at least {gate.min_rows:,}"
    )
    probability = scores.target.dtype == bool
    required = f"{rows:,}" + (" from 0 to 1" if probability else " finite")
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
    minimum = MINIMUM["Boolean" if "skill" in measured else "a number"] if gate.minimum is None else gate.minimum
    bounds = [(name, bound, "at least") for name, bound in minimum.items()]
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
    yield Check(name=name, passed=passed, measured=str(measured), required=required)


def spares_slices(scores: Scores, gains: dict[str, dict[str, Interval]], gate: Gate) -> Iterator[Check]:
    """No value of a slice column with enough rows is clearly worse off than under the champion."""
    for column, intervals in gains.items():
        worst = min(intervals, key=lambda value: intervals[value].high)
        measured = f"{worst}: {intervals[worst]}"
        passed = intervals[worst].high >= 0
        required = f"none below 0 with {gate.slice_confidence:.1%} confidence"
        yield Check(name=f"{scores.loss} of every {column}", passed=passed, measured=measured, required=required)


def clear_gain(name: str, gain: Interval, confidence: float) -> Check:
    required = f"above 0 with {confidence:.1%} confidence"
    return Check(name=name, passed=gain.low > 0, measured=str(gain), required=required)


def slice_gains(scores: Scores, slices: pl.DataFrame, gate: Gate) -> dict[str, dict[str, Interval]]:
    """The loss gain over the champion for each value of each slice column that has enough rows."""
    if scores.champion is None:
        return {}
    gain = losses(scores.target, scores.champion) - losses(scores.target, scores.challenger)
    gains: dict[str, dict[str, Interval]] = {}
    for column in slices.columns:
        for value, rows in slices.with_row_index().group_by(column, maintain_order=True):
            if len(rows) >= gate.slice_min_rows:
                at = rows["index"].to_numpy()
                found = mean_gain(gain[at], scores.days[at], gate.slice_confidence)
                gains.setdefault(column, {})[str(value[0])] = found
    return gains


def daily_gain(scores: Scores) -> dict[str, float]:
    """The mean loss gain over the champion, or over the baseline if there is none, by day."""
    against = scores.baseline if scores.champion is None else scores.champion
    gain = losses(scores.target, against) - losses(scores.target, scores.challenger)
    frame = pl.DataFrame({"day": scores.days, "gain": gain})
    means = frame.group_by(pl.from_epoch("day", time_unit="d").cast(pl.String)).agg(pl.mean("gain")).sort("day")
    return dict(means.iter_rows())
