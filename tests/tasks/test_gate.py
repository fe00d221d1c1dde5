"""Reject is the default: every reason for it is tested alone."""

import numpy as np
import polars as pl
import pytest

from tasks.checks import Scores
from tasks.gate import judge

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
    verdict = judge(scores(np.full(ROWS, 0.5)), SLICES, params.gate)
    assert {"roc_auc", "skill", "log loss gain over the baseline"} <= set(failed(verdict))


@pytest.mark.parametrize(("rows", "days", "name"), [(1900, 30, "gate rows"), (6000, 13, "gate days")])
def test_too_little_evidence_judges_nothing(params, rows, days, name):
    verdict = judge(scores(sigmoid(0), rows=rows, days=days), SLICES.head(rows), params.gate)
    assert (verdict.decision, failed(verdict), verdict.metrics) == ("reject", [name], {})


def test_a_score_that_is_not_a_probability_is_rejected(params):
    broken = sigmoid(0)
    broken[3] = np.nan
    assert failed(judge(scores(broken), SLICES, params.gate)) == ["scores from 0 to 1"]
    assert failed(judge(scores(sigmoid(0))._replace(challenger=sigmoid(0)[:-1]), SLICES, params.gate))


def test_a_slice_that_is_clearly_worse_blocks_a_challenger_that_is_better_overall(params):
    jfk = (SLICES["origin"] == "JFK").to_numpy()
    challenger = np.where(jfk, sigmoid(0.9), sigmoid(0))
    champion = np.where(jfk, sigmoid(0), sigmoid(6))
    verdict = judge(scores(challenger, champion), SLICES, params.gate)
    assert failed(verdict) == ["log loss of every origin"]
    assert "JFK" in verdict.reason
