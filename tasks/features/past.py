"""The past of some rows: what they ask of the index, and the rows of a table that each may know of."""

import re
from collections.abc import Callable, Mapping
from copy import copy
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tasks.features.durations import format_duration
from tasks.features.index import Index, Timeline, Values

NEVER = -(2**62)  # microseconds: before any history, for a row without a prediction time


class Term(NamedTuple):
    """One thing asked of the past: a measure of a column, over the rows of a key, within a window."""

    table: str
    key: tuple[tuple[str, str], ...]  # a column of the table, and that of the row which it equals
    of_outcomes: bool
    measure: str
    what: str = ""  # a column or an expression
    columns: tuple[str, ...] = ()  # that it is made of
    window: int = 0  # microseconds; 0 is a lookup
    nth: int = 1

    def __str__(self) -> str:
        """As it is asked for, such as orders.by(customer).last(24h).mean(price)."""
        key = ", ".join(column if column == of_row else f"{column}={of_row}" for column, of_row in self.key)
        by = f".by({key})" if key else ""
        span = format_duration(timedelta(microseconds=self.window)) if self.window else ""
        what = re.sub(r'col\("([^"]*)"\)|dyn \w+: ', r"\1", self.what)
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
        until: For a table, from when on a row is taken not to be there yet, in microseconds for each row asked for.
    """

    def __init__(
        self,
        index: Index,
        rows: pl.DataFrame,
        at: np.ndarray,
        given: Mapping[Term, Values] | None,
        until: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.index, self.rows, self.at, self.given, self.until = index, rows, at, given or {}, until or {}
        self.answers: dict[Term, Values] = {}
        self._found: dict[tuple, Any] = {}

    def answer(self, compute: Callable[[], Values], *terms: Term) -> Values:
        """What is known of a term, or of several that are answered as one."""
        given = [copy(self.given[term]) for term in terms if term in self.given]
        answer = given[0] if given else compute()
        self.answers |= dict.fromkeys(terms, answer)
        return answer

    def find(self, table: str, key: tuple[tuple[str, str], ...], of_outcomes: bool) -> "Found":
        """The rows of a key that each row may know of; searched once."""
        name = (table, key, of_outcomes)
        if name not in self._found:
            timeline = self.index.timeline(table, tuple(column for column, _ in key), of_outcomes)
            group = timeline.find(self.rows, tuple(column for _, column in key))
            told = of_outcomes == bool(self.index.tables[table].outcomes)  # by what is told last, a table is cut
            cut = np.minimum(self.at, self.until[table]) if told and table in self.until else self.at
            end = timeline.before(group, cut)
            self._found[name] = Found(timeline, group, timeline.first[group], end, self.at, {}, {})
        return self._found[name]


class Found(NamedTuple):
    """The rows of a timeline that each row may know of: those at the positions from `first` up to `end`."""

    timeline: Timeline
    group: np.ndarray
    first: np.ndarray
    end: np.ndarray
    at: np.ndarray
    starts: dict[int, np.ndarray]
    places: dict[tuple[int, int], np.ndarray]

    def start(self, window: int) -> np.ndarray:
        """Where the window before the prediction begins; searched once."""
        if window not in self.starts:
            self.starts[window] = self.timeline.before(self.group, self.at - window)
        return self.starts[window]

    def newest(self, within: int, nth: int = 1) -> np.ndarray:
        """Where the n-th newest row is; -1 if there is none, or if it became known longer ago than `within`."""
        if (within, nth) not in self.places:
            place = np.maximum(self.end - nth, -1)
            recent = self.at - self.timeline.known_at[place] <= within
            self.places[within, nth] = np.where((place >= self.first) & recent, place, -1)
        return self.places[within, nth]
