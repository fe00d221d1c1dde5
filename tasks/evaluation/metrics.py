"""Scores of a model: of probabilities where the target is Boolean, of predicted values where it is a number."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import polars as pl

CLIP = 1e-7  # of a probability, so that one confident mistake costs much but not everything
IMPORTANCE_ROWS = 3_000  # that each feature is shuffled on
Metric = Callable[[np.ndarray, np.ndarray, float], float]


def losses(target: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The loss of each row: log loss of a probability, squared error of a value."""
    if target.dtype != bool:
        return (target - score) ** 2
    score = np.clip(score, CLIP, 1 - CLIP)
    return -np.where(target, np.log(score), np.log1p(-score))


def sklearn_metrics() -> ModuleType:
    """scikit-learn's metrics, imported on first use: that takes seconds, and most commands measure nothing."""
    from sklearn import metrics

    return metrics


# Each takes target, score and the threshold from which a probability counts as positive.
CLASSIFICATION: dict[str, Metric] = {
    "accuracy": lambda target, score, at: sklearn_metrics().accuracy_score(target, score >= at),
    "precision": lambda target, score, at: sklearn_metrics().precision_score(target, score >= at, zero_division=0),
    "recall": lambda target, score, at: sklearn_metrics().recall_score(target, score >= at, zero_division=0),
    "f1": lambda target, score, at: sklearn_metrics().f1_score(target, score >= at, zero_division=0),
    "roc_auc": lambda target, score, _: sklearn_metrics().roc_auc_score(target, score),
    "pr_auc": lambda target, score, _: sklearn_metrics().average_precision_score(target, score),
    "log_loss": lambda target, score, _: losses(target, score).mean(),
    "brier": lambda target, score, _: ((score - target) ** 2).mean(),
    "skill": lambda target, score, _: 1 - losses(target, score).mean() / losses(target, base_rate(target)).mean(),
}
REGRESSION: dict[str, Metric] = {
    "rmse": lambda target, score, _: np.sqrt(losses(target, score).mean()),
    "mae": lambda target, score, _: np.abs(target - score).mean(),
    "r2": lambda target, score, _: 1 - losses(target, score).mean() / target.var(),
}


def to_truth(target: pl.Series) -> pl.Series:
    """A target that is 0 or 1 in every row as false and true; any other as it is."""
    is_binary = target.dtype != pl.Boolean and target.cast(float).is_in([0.0, 1.0]).all()
    return target.cast(pl.Boolean) if is_binary else target


def base_rate(target: np.ndarray) -> np.ndarray:
    """The mean outcome, predicted for every row: what skill is measured against."""
    return np.full(len(target), target.mean())


def compute_metrics(target: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, float]:
    """All metrics that params.yaml may name for this target.

    Args:
        target: Bool or float, one for each row.
        score: Probability of the positive class, or predicted value.
        threshold: From which probability on a row counts as positive.
    """
    chosen = CLASSIFICATION if target.dtype == bool else REGRESSION
    return {name: float(measure(target, score, threshold)) for name, measure in chosen.items()}


def measure_importance(
    score: Callable[[pl.DataFrame], np.ndarray], features: pl.DataFrame, target: pl.Series, seed: int
) -> dict[str, float]:
    """By how much the mean loss rises when a feature is shuffled (Breiman, 2001), largest first.

    Args:
        score: Of a model, row by row.
        features: Rows that the model was not fitted on; some of them are drawn.
        target: Their outcomes.
        seed: Of the draw and the shuffling.
    """
    rows = features.with_columns(target).sample(min(IMPORTANCE_ROWS, features.height), seed=seed)
    outcome, features = rows[target.name].to_numpy(), rows.drop(target.name)
    plain = float(losses(outcome, score(features)).mean())
    rises = {}
    for name in features.columns:
        shuffled = features.with_columns(features[name].shuffle(seed=seed))
        rises[name] = float(np.mean(losses(outcome, score(shuffled)))) - plain
    return dict(sorted(rises.items(), key=lambda rise: -rise[1]))
