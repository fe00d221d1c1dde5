"""Metrics agree with scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from tasks.evaluation.metrics import compute_metrics

RANDOM = np.random.default_rng(0)
TARGET = RANDOM.random(3000) < 0.3
SCORE = np.clip(TARGET * 0.2 + RANDOM.random(3000) * 0.7, 0.01, 0.99).round(2)


def test_metrics_agree_with_scikit_learn():
    measured = compute_metrics(TARGET, SCORE, 0.5)
    assert measured["roc_auc"] == pytest.approx(sk.roc_auc_score(TARGET, SCORE))
    assert measured["log_loss"] == pytest.approx(sk.log_loss(TARGET, SCORE))
    assert measured["brier"] == pytest.approx(sk.brier_score_loss(TARGET, SCORE))
    assert measured["f1"] == pytest.approx(sk.f1_score(TARGET, SCORE >= 0.5))
    rate = np.full(3000, TARGET.mean())
    assert measured["skill"] == pytest.approx(1 - sk.log_loss(TARGET, SCORE) / sk.log_loss(TARGET, rate))


def test_metrics_of_a_number_agree_with_scikit_learn():
    target = RANDOM.normal(5, 20, 3000)
    value = target + RANDOM.normal(1, 10, 3000)
    measured = compute_metrics(target, value, 0.5)
    assert measured == {
        "rmse": pytest.approx(sk.root_mean_squared_error(target, value)),
        "mae": pytest.approx(sk.mean_absolute_error(target, value)),
        "r2": pytest.approx(sk.r2_score(target, value)),
    }
