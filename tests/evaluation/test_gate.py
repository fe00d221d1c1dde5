"""Reject is the default: every reason for it is tested alone."""

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.evaluation.gate import Scores, judge, require_fit

ROWS, DAYS = 6000, 30
RANDOM = np.random.default_rng(7)
TRUTH = RANDOM.normal(-1.2, 1.2, ROWS)
TARGET = RANDOM.random(ROWS) < 1 / (1 + np.exp(-TRUTH))
SLICES = pl.DataFrame({"origin": np.where(np.arange(ROWS) % 3 == 0, "JFK", "LGA")})


def sigmoid(noise: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(TRUTH + np.random.default_rng(1).normal(0, noise, ROWS))))


def scores(challenger, champion=None, rows=ROWS, days=DAYS) -> Scores:
    day = np.arange(rows) % days
    champion = None if champion is None else champion[:rows]
    return Scores(TARGET[:rows], challenger[:rows], champion, np.full(rows, TARGET.mean()), day)


def failed(verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_the_first_good_model_is_promoted_on_thresholds_and_baseline(params):
    verdict = judge(scores(sigmoid(0)), SLICES, params.gate)
    assert verdict.decision == "promote"
    assert verdict.metrics.keys() == {"challenger", "baseline"}


def test_a_clearly_better_challenger_is_promoted(params):
    assert judge(scores(sigmoid(0), sigmoid(2)), SLICES, params.gate).decision == "promote"


def test_the_champion_itself_and_a_worse_challenger_are_rejected(params):
    for challenger in (sigmoid(0), sigmoid(2)):
        verdict = judge(scores(challenger, sigmoid(0)), SLICES, params.gate)
        assert verdict.decision == "reject"
        assert "AUC gain over the champion" in failed(verdict)
        assert "AUC gain over the champion" in verdict.reason


def test_a_model_without_skill_does_not_pass_the_thresholds_nor_the_baseline(params):
    verdict = judge(scores(np.random.default_rng(2).random(ROWS)), SLICES, params.gate)
    assert {"roc_auc", "skill", "log loss gain over the baseline"} <= set(failed(verdict))


@pytest.mark.parametrize(("rows", "days", "name"), [(1900, 30, "gate rows"), (6000, 13, "gate days")])
def test_too_little_evidence_judges_nothing(params, rows, days, name):
    verdict = judge(scores(sigmoid(0), rows=rows, days=days), SLICES.head(rows), params.gate)
    assert (verdict.decision, failed(verdict), verdict.metrics) == ("reject", [name], {})


def test_exactly_enough_rows_and_days_are_enough(params):
    verdict = judge(scores(sigmoid(0), rows=2000, days=14), SLICES.head(2000), params.gate)
    assert {check.name for check in verdict.checks if check.passed} >= {"gate rows", "gate days"}
    assert verdict.metrics


def test_a_score_that_is_not_a_probability_is_rejected(params):
    broken = sigmoid(0)
    broken[3] = np.nan
    assert failed(judge(scores(broken), SLICES, params.gate)) == ["usable scores of the challenger"]
    assert failed(judge(scores(sigmoid(0))._replace(challenger=sigmoid(0)[:-1]), SLICES, params.gate))


def test_a_slice_that_is_clearly_worse_blocks_a_challenger_that_is_better_overall(params):
    jfk = (SLICES["origin"] == "JFK").to_numpy()
    challenger = np.where(jfk, sigmoid(0.9), sigmoid(0))
    champion = np.where(jfk, sigmoid(0), sigmoid(6))
    verdict = judge(scores(challenger, champion), SLICES, params.gate)
    assert failed(verdict) == ["log loss of every origin"]
    assert "JFK" in verdict.reason


def test_a_constant_score_is_rejected_whatever_the_constant(params):
    verdict = judge(scores(np.full(ROWS, TARGET.mean())), SLICES, params.gate)
    assert (verdict.decision, failed(verdict)) == ("reject", ["distinct scores"])


VALUES = TRUTH * 20 + np.random.default_rng(3).normal(0, 30, ROWS)
NUMBERS = {"minimum": {"r2": 0.1}, "maximum": {"mae": 40}, "slices": ["origin"]}


def value_scores(challenger, champion=None) -> Scores:
    return Scores(VALUES, challenger, champion, np.full(ROWS, VALUES.mean()), np.arange(ROWS) % DAYS)


def test_a_regression_is_judged_by_squared_error_and_mae(params):
    gate = params.gate.model_copy(update=NUMBERS)
    good, noisy = TRUTH * 20, TRUTH * 20 + np.random.default_rng(4).normal(0, 15, ROWS)
    assert judge(value_scores(good), SLICES, gate).decision == "promote"
    assert judge(value_scores(good, noisy), SLICES, gate).decision == "promote"
    worse = judge(value_scores(noisy, good), SLICES, gate)
    assert {"squared error gain over the champion", "MAE not worse than the champion's"} <= set(failed(worse))
    assert set(worse.metrics["challenger"]) == {"rmse", "mae", "r2"}
    nothing = judge(value_scores(np.full(ROWS, VALUES.mean()) + np.arange(ROWS) * 1e-9), SLICES, gate)
    assert {"r2", "squared error gain over the baseline"} <= set(failed(nothing))


def test_metrics_and_slices_that_do_not_fit_the_data_are_refused_before_tuning(params):
    frame = pl.DataFrame({"target": [1.5], "origin": ["JFK"]})
    with pytest.raises(InputError, match="gate names roc_auc, but the target is a number: choose from rmse"):
        require_fit(params.gate, frame)
    with pytest.raises(InputError, match=r"gate.slices names carrier, which is no column"):
        require_fit(params.gate, frame.with_columns(target=True))
