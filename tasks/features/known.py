"""What a features function is called with: `rows`, the rows asked for, and `known`, what was known before each one.

Numbers are numpy arrays (nan is null), anything else polars series; a polars expression over the row is a value, too.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from tasks.features.durations import micros
from tasks.features.history import Duration, History, suggest
from tasks.features.index import Values, as_values
from tasks.features.past import NEVER, Past, Term
from tasks.features.table import TIME


class Rows:
    """The rows that features are asked for, without their outcomes."""

    def __init__(self, frame: pl.DataFrame, outcomes: Sequence[str]) -> None:
        self._frame, self._outcomes = frame, outcomes

    def __getitem__(self, column: str) -> Any:
        """A column: numbers as an array with nan for null, anything else as a series."""
        self.require(column)
        return as_values(self._frame[column])

    def require(self, column: str) -> None:
        """Refuse a column that the rows do not have."""
        if column in self._outcomes:
            raise ValueError(f"{column} is an outcome, not known at the prediction: ask `known` for earlier ones")
        if column not in self._frame.columns:
            raise ValueError(f"the rows have no column {column!r}{suggest(column, self._frame.columns)}")

    def __len__(self) -> int:
        return self._frame.height


class Known:
    """What was known strictly before the prediction time of each row: `known.TABLE`, or known["TABLE"]."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def __getattr__(self, table: str) -> History:
        if table.startswith("_"):
            raise AttributeError(table)
        return self[table]

    def __getitem__(self, table: str) -> History:
        tables = self._past.index.tables
        if table not in tables:
            raise ValueError(f"contract.py declares no table {table!r}{suggest(table, tables)}")
        return History(self._past, table)

    def each(self, function: Callable[..., Any], **windows: Duration) -> Values:
        """Whatever a function makes of each row and of what was known before it: safe, and slow.

        Args:
            function: Called with a row as a dict and, by its name, for each table below a frame: its rows that became
                known, or whose outcomes did, in the window before the prediction; an outcome not known by then is null.
                It returns a number, or None for null.
            windows: By table, such as orders="48h".
        """
        for table in windows:
            self[table].require_history()
        spans = {table: micros(window) for table, window in windows.items()}
        name = getattr(function, "__name__", "function")
        terms = [
            Term(table, (), of_outcomes, "each", name, (), span)
            for table, span in spans.items()
            for of_outcomes in {False, bool(self._past.index.tables[table].outcomes)}
        ]
        return self._past.answer(lambda: call_for_each(function, name, self._past, spans), *terms)


def call_for_each(function: Callable[..., Any], name: str, past: Past, spans: dict[str, int]) -> np.ndarray:
    """Call a function row by row, and say how long it took."""
    start, made = time.monotonic(), np.full(past.rows.height, np.nan)
    windows = {table: timedelta(microseconds=span) for table, span in spans.items()}
    for place, row in enumerate(past.rows.iter_rows(named=True)):
        if past.at[place] == NEVER:
            continue
        moment = pl.Series(past.at[place : place + 1]).cast(TIME).item()
        answer = function(row, **{table: past.index.known_before(table, moment, w) for table, w in windows.items()})
        if not isinstance(answer, int | float | np.number | None):
            raise ValueError(f"{name} returned {answer!r} for a row: known.each takes a number, or None for null")
        made[place] = np.nan if answer is None else answer
    if (seconds := time.monotonic() - start) > 1:
        print(f"features: {name} was called for each of {len(made):,} rows, which took {seconds:.0f} s")
    return made
