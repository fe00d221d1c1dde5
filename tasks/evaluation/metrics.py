"""Scores of a model: of probabilities where the target is Boolean, of predicted values where it is a number."""

import numpy as np
from sklearn import metrics

CLIP = 1e-7  # of a probability, so that one confident mistake costs much but not everything
CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier", "skill")
REGRESSION = ("rmse", "mae", "r2")


def losses(target: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The loss of each row: log loss of a probability, squared error of a value."""
    if target.dtype != bool:
        return (target - score) ** 2
    score = np.clip(score, CLIP, 1 - CLIP)
    return -np.where(target, np.log(score), np.log1p(-score))


def compute_metrics(target: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, float]:
    """All metrics that params.yaml may name for this target.

    Args:
        target: Bool or float, one for each row.
        score: Probability of the positive class, or predicted value.
        threshold: From which probability on a row counts as positive.
    """
    if target.dtype != bool:
        squared = losses(target, score)
        return {
            "rmse": float(np.sqrt(squared.mean())),
            "mae": float(np.abs(target - score).mean()),
            "r2": float(1 - squared.mean() / target.var()),
        }
    positive = score >= threshold
    log_loss = losses(target, score).mean()
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        target, positive, average="binary", zero_division=0
    )
    return {
        "accuracy": float((positive == target).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "roc_auc": float(metrics.roc_auc_score(target, score)),
        "pr_auc": float(metrics.average_precision_score(target, score)),
        "log_loss": float(log_loss),
        "brier": float(((score - target) ** 2).mean()),
        "skill": float(1 - log_loss / losses(target, np.full(len(target), target.mean())).mean()),
    }
