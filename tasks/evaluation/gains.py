"""Where a challenger gains and loses: by slice and by day, on the gate rows."""

from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.params import Gate
from tasks.evaluation.intervals import Interval, mean_gain
from tasks.evaluation.metrics import losses


class Scores(NamedTuple):
    """What the gate sees, one entry a row; the baseline is the mean target of the rows the challenger was fitted on."""

    target: np.ndarray  # bool, or float for regression
    challenger: np.ndarray
    champion: np.ndarray | None
    baseline: np.ndarray
    days: np.ndarray

    @property
    def loss(self) -> str:
        """What the loss of a row is called."""
        return "log loss" if self.target.dtype == bool else "squared error"


def slice_gains(scores: Scores, slices: pl.DataFrame, gate: Gate) -> dict[str, dict[str, Interval]]:
    """The loss gain over the champion for each value of each slice column that has enough rows."""
    if scores.champion is None:
        return {}
    gain = losses(scores.target, scores.champion) - losses(scores.target, scores.challenger)
    gains: dict[str, dict[str, Interval]] = {}
    for column in slices.columns:
        for value, rows in slices.with_row_index().group_by(column, maintain_order=True):
            if len(rows) >= gate.slice_min_rows:
                at = rows["index"].to_numpy()
                found = mean_gain(gain[at], scores.days[at], gate.slice_confidence)
                gains.setdefault(column, {})[str(value[0])] = found
    return gains


def daily_gain(scores: Scores) -> dict[str, float]:
    """The mean loss gain over the champion, or over the baseline if there is none, by day."""
    against = scores.baseline if scores.champion is None else scores.champion
    gain = losses(scores.target, against) - losses(scores.target, scores.challenger)
    frame = pl.DataFrame({"day": scores.days, "gain": gain})
    means = frame.group_by(pl.from_epoch("day", time_unit="d").cast(pl.String)).agg(pl.mean("gain")).sort("day")
    return dict(means.iter_rows())
