"""Intervals agree with their definition."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from tasks.evaluation.intervals import auc_gain, auc_influence, mean_gain

RANDOM = np.random.default_rng(0)
TARGET = RANDOM.random(3000) < 0.3
SCORE = np.clip(TARGET * 0.2 + RANDOM.random(3000) * 0.7, 0.01, 0.99).round(2)
DAYS = np.arange(3000) // 100


def test_auc_and_its_influence_agree_with_scikit_learn_ties_included():
    auc, influence = auc_influence(TARGET, SCORE)
    assert auc == pytest.approx(sk.roc_auc_score(TARGET, SCORE), abs=1e-12)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_the_interval_of_a_mean_is_the_t_interval_of_day_means_when_days_are_equally_long():
    gains = RANDOM.normal(0.01, 1, 3000)
    gain = mean_gain(gains, DAYS, 0.975)
    means = gains.reshape(30, 100).mean(axis=1)
    low, high = stats.t.interval(0.95, 29, means.mean(), stats.sem(means))
    assert (gain.low, gain.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("sizes", [[75] * 28, [5] * 27 + [1900], [50, 2000], [20] * 24 + [400] * 4])
def test_of_two_models_that_are_equally_good_one_is_found_better_as_rarely_as_confidence_says(sizes):
    """Days have errors of their own; a day that holds most of the rows must not hide its own."""
    random, days, found = np.random.default_rng(5), np.repeat(np.arange(len(sizes)), sizes), {"mean": 0, "auc": 0}
    for _ in range(200):
        luck = random.normal(0, 0.6, (2, len(sizes)))[:, days]
        known = random.normal(size=len(days))
        target = random.random(len(days)) < 1 / (1 + np.exp(-known))
        new, old = known * (1 + luck) + random.normal(0, 0.6, (2, len(days)))
        found["auc"] += auc_gain(target, new, old, days, 0.975).low > 0
        found["mean"] += mean_gain((old - known) ** 2 - (new - known) ** 2, days, 0.975).low > 0
    assert max(found.values()) <= 12  # 5 are expected of 200; of 2.5 % more than 12 come once in a thousand


@pytest.mark.parametrize("sizes", [[2000], [1, 2000], [5] * 27 + [1900]])
def test_of_fewer_than_two_days_nothing_is_known(sizes):
    gain = mean_gain(RANDOM.normal(5, 1, sum(sizes)), np.repeat(np.arange(len(sizes)), sizes), 0.975)
    assert (gain.low, gain.high) == (-np.inf, np.inf)


def test_a_model_gains_nothing_over_itself():
    assert auc_gain(TARGET, SCORE, SCORE, DAYS, 0.975) == (0, 0, 0)
