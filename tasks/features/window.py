"""Measures over the rows of a history that became known in the window before the prediction."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from tasks.features.index import Values, What
from tasks.features.past import Found

Ask = Callable[[str, What | None, int, Callable[[Found], Values]], Any]


class Window:
    """The rows of a history that became known in the window before the prediction.

    Args:
        ask: Of the history: measure, column, window and how to answer.
        window: In microseconds.
    """

    def __init__(self, ask: Ask, window: int) -> None:
        self._ask_history, self._window = ask, window

    def count(self, column: What | None = None) -> np.ndarray:
        """How many rows became known; of a column, how many of its values are not null."""
        if column is None:
            return self._ask("count", None, self._size)
        there = (pl.col(column) if isinstance(column, str) else column).is_not_null()
        return self._ask("count", there, lambda found: self._sums(found, there)[0])

    def sum(self, what: What) -> np.ndarray:
        """The sum of the values, 0 without one."""

        def total(found: Found) -> np.ndarray:
            whole, _, scale = self._sums(found, what)
            return whole / scale

        return self._ask("sum", what, total)

    def mean(self, what: What) -> np.ndarray:
        """The mean of the values that are not null."""
        return self._ask("mean", what, lambda found: self._mean(found, what))

    def share(self, condition: What) -> np.ndarray:
        """The share of the rows that meet a condition, among those where it is not null."""

        def share(found: Found) -> np.ndarray:
            if not found.at.size and found.timeline.column(condition).dtype != pl.Boolean:
                raise ValueError(f"share({condition}) needs a condition, such as a comparison")
            return self._mean(found, condition)

        return self._ask("share", condition, share)

    def std(self, what: What) -> np.ndarray:
        """The standard deviation of the values, of a sample; null below two."""

        def deviation(found: Found) -> np.ndarray:
            whole, count, scale = self._sums(found, what)
            sums = found.timeline.squares(what)
            squares = sums[found.end] - sums[found.start(self._window)]
            spread = count.astype(object) * squares - whole.astype(object) ** 2  # whole numbers, so exact
            return np.sqrt(spread.astype(float) / np.where(count > 1, count * (count - 1.0), np.nan)) / scale

        return self._ask("std", what, deviation)

    def min(self, what: What) -> np.ndarray:
        """The smallest value."""
        return self._ask("min", what, lambda found: self._extreme(found, what, np.fmin))

    def max(self, what: What) -> np.ndarray:
        """The largest value."""
        return self._ask("max", what, lambda found: self._extreme(found, what, np.fmax))

    def _ask(self, measure: str, what: What | None, answer: Callable[[Found], Values]) -> Any:
        return self._ask_history(measure, what, self._window, answer)

    def _size(self, found: Found) -> np.ndarray:
        return found.end - found.start(self._window)

    def _sums(self, found: Found, what: What) -> tuple[np.ndarray, np.ndarray, float]:
        """The sum in whole steps, how many values it is of, and how many steps make 1."""
        start, (sums, counts, scale) = found.start(self._window), found.timeline.sums(what)
        return sums[found.end] - sums[start], counts[found.end] - counts[start], scale

    def _mean(self, found: Found, what: What) -> np.ndarray:
        whole, count, scale = self._sums(found, what)
        return whole / np.where(count > 0, count * scale, np.nan)

    def _extreme(self, found: Found, what: What, choose: np.ufunc) -> np.ndarray:
        """Of two spans of a power of two that cover the window, the more extreme one."""
        size, start = self._size(found), found.start(self._window)
        levels = found.timeline.extremes(what, choose, size.max(initial=1))
        result, level = np.full(len(size), np.nan), np.frexp(size)[1] - 1
        for power in set(level[size > 0].tolist()):
            of = level == power
            result[of] = choose(levels[power][start[of]], levels[power][found.end[of] - 2**power])
        return result
