"""What can be asked of a table's past: newest values, their age, and what became known in a window."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import polars as pl

from tasks.features.durations import micros
from tasks.features.index import Values, What
from tasks.features.past import Found, Past, Term
from tasks.features.window import Window

MOST = 1_000_000  # rows back
MINUTE = 60_000_000  # microseconds
Duration = Any  # text such as "48h", or a timedelta


class History:
    """The rows of a table, or those that share a key with the row asked for."""

    def __init__(self, past: Past, table: str, key: tuple[tuple[str, str], ...] = ()) -> None:
        self._past, self._name, self._key = past, table, key
        self._table = past.index.tables[table]

    def require_history(self) -> None:
        """Refuse a table that does not say when its rows became known."""
        if self._table.row_known_at is None:
            raise ValueError(
                f"{self._name} was always known, so it has no history: declare its known_at in contract.py, or ask for "
                "a value by its key"
            )

    def by(self, *columns: str, **renamed: str) -> "History":
        """Only the rows with the same values in these columns; by(origin="dest"): whose origin is the row's dest."""
        key = (*((column, column) for column in columns), *renamed.items())
        if not all(isinstance(name, str) for pair in key for name in pair):
            raise ValueError(
                f"{self._name}.by takes names of columns; values that the row does not hold cannot be a key"
            )
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
        if not isinstance(nth, int) or not 1 <= nth <= MOST:
            raise ValueError(f"nth is {nth!r}: 1 is the newest row, 2 the one before it, up to {MOST:,}")
        if not isinstance(columns, (str, pl.Expr)):
            return {column: self.newest(column, within, nth) for column in columns}
        span = micros(within)
        return self._ask("newest", columns, span, lambda f: f.timeline.values(columns)[f.newest(span, nth)], nth)

    def age(self, column: What | None = None, *, within: Duration) -> np.ndarray:
        """Hours, in whole minutes, since the newest row became known; of an outcome, since its newest row had one."""
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
        return Window(self._ask, micros(window))

    def _ask(
        self, measure: str, what: What | None, window: int, answer: Callable[[Found], Values], nth: int = 1
    ) -> Any:
        """Answer from when the rows became known, or the outcomes that `what` is made of."""
        if window:
            self.require_history()
        columns = what.meta.root_names() if isinstance(what, pl.Expr) else [] if what is None else [what]
        for column in columns:
            if column not in self._table.columns:
                raise ValueError(f"{self._name} has no column {column!r}{suggest(column, self._table.columns)}")
        of_outcomes = not self._table.outcome_set.isdisjoint(columns)
        text = str(what) if what is not None else ""
        term = Term(self._name, self._key, of_outcomes, measure, text, tuple(columns), window, nth)
        return self._past.answer(lambda: answer(self._past.find(self._name, self._key, of_outcomes)), term)


def suggest(name: str, there: Iterable[str]) -> str:
    """The nearest of the names that are there."""
    near = get_close_matches(name, list(there), 1)
    return f": do you mean {near[0]!r}?" if near else f"; there are {', '.join(there)}"
