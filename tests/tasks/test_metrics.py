"""Metrics agree with scikit-learn, intervals with their definition."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from tasks.metrics import auc_gain, auc_influence, compute_metrics, log_loss_gain

RANDOM = np.random.default_rng(0)
TARGET = RANDOM.random(3000) < 0.3
SCORE = np.clip(TARGET * 0.2 + RANDOM.random(3000) * 0.7, 0.01, 0.99).round(2)
WORSE = np.clip(SCORE + RANDOM.normal(0, 0.2, 3000), 0.01, 0.99)
DAYS = np.arange(3000) // 100


def test_metrics_agree_with_scikit_learn():
    measured = compute_metrics(TARGET, SCORE, 0.5)
    assert measured["roc_auc"] == pytest.approx(sk.roc_auc_score(TARGET, SCORE))
    assert measured["log_loss"] == pytest.approx(sk.log_loss(TARGET, SCORE))
    assert measured["brier"] == pytest.approx(sk.brier_score_loss(TARGET, SCORE))
    assert measured["f1"] == pytest.approx(sk.f1_score(TARGET, SCORE >= 0.5))
    rate = np.full(3000, TARGET.mean())
    assert measured["skill"] == pytest.approx(1 - sk.log_loss(TARGET, SCORE) / sk.log_loss(TARGET, rate))


def test_auc_and_its_influence_agree_with_scikit_learn_ties_included():
    auc, influence = auc_influence(TARGET, SCORE)
    assert auc == pytest.approx(sk.roc_auc_score(TARGET, SCORE), abs=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_log_loss_interval_is_the_t_interval_of_day_means_when_days_are_equally_long():
    gain = log_loss_gain(TARGET, SCORE, WORSE, DAYS, 0.975)
    losses = -np.where(TARGET, np.log(WORSE / SCORE), np.log((1 - WORSE) / (1 - SCORE)))
    means = losses.reshape(30, 100).mean(axis=1)
    low, high = stats.t.interval(0.95, 29, means.mean(), stats.sem(means))
    assert (gain.low, gain.high) == (pytest.approx(low), pytest.approx(high))


def test_a_model_gains_nothing_over_itself():
    assert auc_gain(TARGET, SCORE, SCORE, DAYS, 0.975) == (0, 0, 0)
