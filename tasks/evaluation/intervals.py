"""Intervals of the difference between two models on the same rows; a gain above 0 speaks for the new one."""

import numpy as np

from tasks.evaluation.verdict import Interval


def auc_influence(target: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """ROC AUC and each row's influence on it; their squares sum to the variance of DeLong et al. (1988)."""
    ahead, behind = np.sort(score[target]), np.sort(score[~target])
    over_behind = _midrank(behind, score[target])
    under_ahead = 1 - _midrank(ahead, score[~target])
    auc = over_behind.mean()
    influence = np.empty(len(score))
    influence[target] = (over_behind - auc) / len(ahead)
    influence[~target] = (under_ahead - auc) / len(behind)
    return float(auc), influence


def _midrank(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share of `ordered` below each value, ties counted half."""
    left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (left + right) / 2 / len(ordered)


def auc_gain(target: np.ndarray, new: np.ndarray, old: np.ndarray, days: np.ndarray, confidence: float) -> Interval:
    """ROC AUC of `new` less that of `old` on the same rows, with the day-block t interval."""
    (new_auc, new_influence), (old_auc, old_influence) = auc_influence(target, new), auc_influence(target, old)
    return day_block_interval(new_auc - old_auc, new_influence - old_influence, days, confidence)


def mean_gain(gain: np.ndarray, days: np.ndarray, confidence: float) -> Interval:
    """The mean of gains row by row, such as old loss less new loss, with the day-block t interval."""
    return day_block_interval(float(gain.mean()), (gain - gain.mean()) / len(gain), days, confidence)


def day_block_interval(difference: float, influence: np.ndarray, days: np.ndarray, confidence: float) -> Interval:
    """The t interval of a mean over days: rows of one day go together, days hardly do.

    Linearisation with days as clusters (Cameron and Miller, 2015, J. Human Resources 50(2)), k - 1 degrees of freedom.

    Args:
        difference: The estimate.
        influence: Each row's influence on it; sums to about zero.
        days: The block of each row.
        confidence: One-sided.
    """
    from scipy.special import stdtrit  # takes a third of a second to import

    sums = np.bincount(np.unique(days, return_inverse=True)[1], influence)
    k = len(sums)
    half = stdtrit(k - 1, confidence) * np.sqrt((sums @ sums) * k / (k - 1)) if k > 1 else np.inf
    return Interval(float(difference - half), float(difference), float(difference + half))
