"""How scores lie, and whether they come true: what pictures and slices of a model card are made of."""

from typing import Any

import numpy as np
import polars as pl

from tasks.evaluation.metrics import losses

BINS = 10
HISTOGRAM_BINS = 30


def summarise_scores(target: np.ndarray, score: np.ndarray, slices: pl.DataFrame) -> dict[str, Any]:
    """Calibration, histogram and loss by slice, as JSON; the gate judges scores that are no finite numbers.

    Args:
        target: Bool or float, one for each row.
        score: Probability of the positive class, or predicted value.
        slices: The columns of gate.slices, row by row.
    """
    usable = np.isfinite(score)
    counts, edges = np.histogram(score[usable], HISTOGRAM_BINS)
    loss = losses(target, score)
    return {
        "calibration": calibration_curve(target[usable], score[usable]),
        "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
        "slices": {column: loss_by_value(slices[column], loss) for column in slices.columns},
    }


def calibration_curve(target: np.ndarray, score: np.ndarray) -> list[dict[str, float]]:
    """Mean score and mean outcome of ten equal parts of the rows, in the order of their scores."""
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [
        {"predicted": float(score[part].mean()), "observed": float(target[part].mean()), "rows": len(part)}
        for part in parts
    ]


def loss_by_value(column: pl.Series, loss: np.ndarray) -> dict[str, dict[str, float]]:
    """Rows and mean loss of each value, the most frequent first."""
    frame = pl.DataFrame({"value": column.cast(pl.String), "loss": loss})
    found = frame.group_by("value").agg(pl.len(), pl.mean("loss")).sort("len", "value", descending=[True, False])
    return {str(value): {"rows": rows, "loss": mean} for value, rows, mean in found.iter_rows()}
