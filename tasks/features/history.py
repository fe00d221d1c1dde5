"""What can be asked of a table's past: newest values, their age, and measures over the window before the prediction."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tasks.features.durations import format_duration, parse_duration, to_micros
from tasks.features.index import Index, Timeline, Values, What

MINUTE = 60_000_000  # microseconds
Duration = Any  # text such as "48h", or a timedelta
micros = cache(lambda duration: to_micros(parse_duration(duration)))


class Term(NamedTuple):
    """One thing asked of the past: a measure of a column, over the rows of a key, within a window."""

    table: str
    key: tuple[tuple[str, str], ...]  # a column of the table, and that of the row which it equals
    of_outcomes: bool
    measure: str
    column: str = ""
    window: int = 0  # microseconds; 0 is a lookup
    nth: int = 1

    def __str__(self) -> str:
        """As it is asked for, such as flights.by(tailnum).last(24h).mean(arr_delay)."""
        key = ", ".join(column if column == of_row else f"{column}={of_row}" for column, of_row in self.key)
        by = f".by({key})" if key else ""
        span = format_duration(timedelta(microseconds=self.window)) if self.window else ""
        what = re.sub(r'col\("([^"]*)"\)|dyn \w+: ', r"\1", self.column)
        if self.measure in ("newest", "age", "each"):
            parts = [what, f"within={span}", f"nth={self.nth}" if self.nth > 1 else ""]
            return f"{self.table}{by}.{self.measure}({', '.join(part for part in parts if part)})"
        return f"{self.table}{by}{f'.last({span})' if span else ''}.{self.measure}({what})"


class Past:
    """The index as some rows see it: of each only what was known strictly before its prediction time.

    Args:
        index: Of the tables.
        rows: The rows asked for.
        at: The prediction time of each, in microseconds.
        given: Answers that replace those of the index, to see which features depend on them.
    """

    def __init__(self, index: Index, rows: pl.DataFrame, at: np.ndarray, given: Mapping[Term, Values] | None) -> None:
        self.index, self.rows, self.at, self.given = index, rows, at, given or {}
        self.asked: dict[Term, Callable[[], Values]] = {}
        self._found: dict[tuple, Any] = {}

    def answer(self, compute: Callable[[], Values], *terms: Term) -> Values:
        """What is known of a term, or of several that are answered as one."""
        self.asked |= dict.fromkeys(terms, compute)
        given = [self.given[term] for term in terms if term in self.given]
        return given[0] if given else compute()

    def find(self, table: str, key: tuple[tuple[str, str], ...], of_outcomes: bool) -> "Found":
        """The rows of a key that each row may know of; searched once."""
        name = (table, key, of_outcomes)
        if name not in self._found:
            timeline = self.index.timeline(table, tuple(column for column, _ in key), of_outcomes)
            group = timeline.find(self.rows, tuple(column for _, column in key))
            end = timeline.before(group, self.at)
            self._found[name] = Found(timeline, group, timeline.first[group], end, self.at, {})
        return self._found[name]


class Found(NamedTuple):
    """The rows of a timeline that each row may know of: those at the positions from `first` up to `end`."""

    timeline: Timeline
    group: np.ndarray
    first: np.ndarray
    end: np.ndarray
    at: np.ndarray
    starts: dict[int, np.ndarray]

    def start(self, window: int) -> np.ndarray:
        """Where the window before the prediction begins; searched once."""
        if window not in self.starts:
            self.starts[window] = self.timeline.before(self.group, self.at - window)
        return self.starts[window]

    def newest(self, within: int, nth: int = 1) -> np.ndarray:
        """Where the n-th newest row is; -1 if there is none, or if it became known longer ago than `within`."""
        place = np.maximum(self.end - nth, -1)
        recent = self.at - self.timeline.known_at[place] <= within
        return np.where((place >= self.first) & recent, place, -1)


class History:
    """The rows of a table, or those that share a key with the row asked for."""

    def __init__(self, past: Past, table: str, key: tuple[tuple[str, str], ...] = ()) -> None:
        self._past, self._name, self._key = past, table, key
        self._table = past.index.tables[table]

    @property
    def has_outcomes(self) -> bool:
        return bool(self._table.outcomes)

    def by(self, *columns: str, **renamed: str) -> "History":
        """Only the rows with the same values in these columns; by(origin="dest"): whose origin is the row's dest."""
        key = (*((column, column) for column in columns), *renamed.items())
        for column, of_row in key:
            if column not in self._table.columns or column in self._table.outcomes:
                raise ValueError(f"{self._name} has no column {column!r} that is known with the row, to find it by")
            if of_row not in self._past.rows.columns:
                raise ValueError(f"the rows have no column {of_row!r} to find {self._name} by")
        return History(self._past, self._name, key)

    def newest(self, columns: What | Sequence[str], within: Duration, nth: int = 1) -> Any:
        """The value that became known last, if no longer ago than `within`; nth=2 is the one before it.

        Args:
            columns: A column or an expression over columns; or a list of columns, then a dict of features by name.
            within: The longest time since it became known.
            nth: Counted from the newest.
        """
        if not isinstance(columns, (str, pl.Expr)):
            return {column: self.newest(column, within, nth) for column in columns}
        span = micros(within)
        return self._ask("newest", columns, span, lambda f: f.timeline.values(columns)[f.newest(span, nth)], nth)

    def age(self, column: What = "", *, within: Duration) -> np.ndarray:
        """Hours, in whole minutes, since the newest row became known; of an outcome, since its newest value did."""
        span = micros(within)

        def hours(found: Found) -> np.ndarray:
            place = found.newest(span)
            return np.where(place < 0, np.nan, (found.at - found.timeline.known_at[place]) // MINUTE / 60)

        return self._ask("age", column, span, hours)

    def value(self, columns: What | Sequence[str]) -> Any:
        """The value in a table that was always known, by its primary key; of a list of columns, a dict by name."""
        if not isinstance(columns, (str, pl.Expr)):
            return {column: self.value(column) for column in columns}
        if self._table.row_known_at is not None:
            raise ValueError(f'{self._name} changes over time: ask for the newest value, within="7d" for instance')
        if {column for column, _ in self._key} != set(self._table.key):
            raise ValueError(f"{self._name} is looked up by its primary key: by({str(self._table.key)[1:-1]})")
        return self._ask("value", columns, 0, lambda f: f.timeline.values(columns)[np.where(f.group < 0, -1, f.first)])

    def last(self, window: Duration) -> "Window":
        """The rows that became known in the window before the prediction, its first moment included."""
        return Window(self, micros(window))

    def _ask(self, measure: str, what: What, window: int, answer: Callable[[Found], Values], nth: int = 1) -> Any:
        """Answer from when the rows became known, or the outcomes that `what` is made of."""
        if window and self._table.row_known_at is None:
            raise ValueError(f"{self._name} was always known, so it has no history: ask for the value of its key")
        columns = what.meta.root_names() if isinstance(what, pl.Expr) else [what] * (what != "")
        for column in columns:
            if column not in self._table.columns:
                raise ValueError(f"{self._name} has no column {column!r}{suggest(column, self._table.columns)}")
        of_outcomes = not self._table.outcome_set.isdisjoint(columns)
        term = Term(self._name, self._key, of_outcomes, measure, str(what), window, nth)
        return self._past.answer(lambda: answer(self._past.find(self._name, self._key, of_outcomes)), term)


def suggest(name: str, there: Iterable[str]) -> str:
    """The nearest of the names that are there."""
    near = get_close_matches(name, list(there), 1)
    return f": do you mean {near[0]!r}?" if near else f"; there are {', '.join(there)}"


class Window:
    """Measures of the rows of a history that became known in the window before the prediction."""

    def __init__(self, history: History, window: int) -> None:
        self._history, self._window = history, window

    def count(self, column: What = "") -> np.ndarray:
        """How many rows became known; of a column, how many of its values are not null."""
        if isinstance(column, str) and not column:
            return self._ask("count", column, self._size)
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

        def mean(found: Found) -> np.ndarray:
            whole, count, scale = self._sums(found, what)
            return whole / np.where(count > 0, count * scale, np.nan)

        return self._ask("mean", what, mean)

    def share(self, condition: What) -> np.ndarray:
        """The share of the rows that meet a condition, among those where it is not null."""

        def share(found: Found) -> np.ndarray:
            whole, count, _ = self._sums(found, condition, of_truth=True)
            return whole / np.where(count > 0, count, np.nan)

        return self._ask("share", condition, share)

    def std(self, what: What) -> np.ndarray:
        """The standard deviation of the values, of a sample; null below two."""

        def deviation(found: Found) -> np.ndarray:
            whole, count, scale = self._sums(found, what)
            squares = found.timeline.squares(what)
            n = count.astype(object)
            spread = (n * (squares[found.end] - squares[found.start(self._window)]) - whole.astype(object) ** 2).astype(
                float
            )
            return np.sqrt(spread / np.where(count > 1, count * (count - 1.0), np.nan)) / scale

        return self._ask("std", what, deviation)

    def min(self, what: What) -> np.ndarray:
        """The smallest value."""
        return self._ask("min", what, lambda found: self._extreme(found, what, np.fmin))

    def max(self, what: What) -> np.ndarray:
        """The largest value."""
        return self._ask("max", what, lambda found: self._extreme(found, what, np.fmax))

    def _ask(self, measure: str, what: What, answer: Callable[[Found], Values]) -> Any:
        return self._history._ask(measure, what, self._window, answer)

    def _size(self, found: Found) -> np.ndarray:
        return found.end - found.start(self._window)

    def _sums(self, found: Found, what: What, of_truth: bool = False) -> tuple[np.ndarray, np.ndarray, float]:
        """The sum in whole steps, how many values it is of, and how many steps make 1."""
        start, (sums, counts, scale) = found.start(self._window), found.timeline.sums(what, of_truth)
        return sums[found.end] - sums[start], counts[found.end] - counts[start], scale

    def _extreme(self, found: Found, what: What, choose: np.ufunc) -> np.ndarray:
        """Of two spans of a power of two that cover the window, the more extreme one."""
        size, start = self._size(found), found.start(self._window)
        levels = found.timeline.extremes(what, choose, size.max(initial=1))
        result, level = np.full(len(size), np.nan), np.frexp(size)[1] - 1
        for power in set(level[size > 0].tolist()):
            of = level == power
            result[of] = choose(levels[power][start[of]], levels[power][found.end[of] - 2**power])
        return result
