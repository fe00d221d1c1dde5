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

    The jackknife that leaves out one day at a time (MacKinnon, Nielsen and Webb, 2023, J. Econometrics 232(2)), so that
    a day of most rows does not hide its own error; Kish's effective number of days (1965) less one are the degrees of
    freedom, and of fewer than two nothing is known. Of days of equally many rows it is the t interval of their means.

    Args:
        difference: The estimate.
        influence: Each row's influence on it; sums to about zero.
        days: The block of each row.
        confidence: One-sided.
    """
    from scipy.special import stdtrit  # takes a third of a second to import

    _, day, rows = np.unique(days, return_inverse=True, return_counts=True)
    share, k, half = rows / len(days), len(rows), np.inf
    effective = 1 / (share @ share)
    if effective >= 2:
        without = np.bincount(day, influence) / (1 - share)  # how far the estimate moves without each day
        half = stdtrit(effective - 1, confidence) * np.sqrt((without @ without) * (k - 1) / k)
    return Interval(float(difference - half), float(difference), float(difference + half))
