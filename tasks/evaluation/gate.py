"""The verdict: reject is the default, and promotion needs evidence on rows that neither model has seen."""

from typing import Literal

import polars as pl
from pydantic import BaseModel

from tasks.core.params import Gate, Promotion
from tasks.evaluation.checks import (
    Check,
    beats_baseline,
    beats_champion,
    enough_evidence,
    meets_thresholds,
    spares_slices,
)
from tasks.evaluation.gains import Scores, daily_gain, slice_gains
from tasks.evaluation.intervals import Interval
from tasks.evaluation.metrics import compute_metrics


class Verdict(BaseModel):
    """The gate's decision with its evidence: every check, and the metrics of each model on the gate rows."""

    decision: Literal["promote", "pending", "reject"]  # pending: the gate would promote, a person has the last word
    checks: list[Check]
    metrics: dict[str, dict[str, float]]  # by challenger, champion, baseline
    slices: dict[str, dict[str, Interval]] = {}  # by column and value: gain over the champion
    gain_by_day: dict[str, float] = {}  # mean loss of the champion, or the baseline, less that of the challenger

    @property
    def reason(self) -> str:
        """The checks that decided, in one line."""
        deciding = [check for check in self.checks if check.passed == (self.decision != "reject")]
        return "; ".join(str(check) for check in deciding)

    def __str__(self) -> str:
        """The decision, and a line for every check."""
        lines = (f"  {'yes' if check.passed else 'NO ':<3}  {check}" for check in self.checks)
        return "\n".join([f"verdict: {self.decision}", *lines])


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
    decision = "promote" if all(check.passed for check in checks) else "reject"
    return Verdict(decision=decision, checks=checks, metrics=measured, slices=gains, gain_by_day=daily_gain(scores))


def hold_for_review(verdict: Verdict, promotion: Promotion) -> Verdict:
    """Where a person has the last word, what the gate would promote is pending."""
    held = promotion.mode == "review" and verdict.decision == "promote"
    return verdict.model_copy(update={"decision": "pending"}) if held else verdict
