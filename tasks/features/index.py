"""The index: the rows of each table by key, in the order in which they became known, searched by bisection.

Sums are kept as whole numbers (fractions as multiples of their resolution), so whatever pieces the tables come in, the
same window has the same bits.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl

from tasks.features.table import TIME, Table, as_known, looks_across

LARGEST_SUM = 2**62
KNOWN_AT = "when it became known"  # the column that a timeline adds
Values = np.ndarray | pl.Series
What = str | pl.Expr  # a column, or an expression over the columns of a row


class Index:
    """All tables of a context, such as a month with what came before it; timelines are made when first asked for.

    Args:
        tables: What the contract declares of each.
        frames: Their valid rows; outcomes not known yet are null or known later.
    """

    def __init__(self, tables: Mapping[str, Table], frames: Mapping[str, pl.DataFrame]) -> None:
        self.tables = tables
        self.frames = frames
        self._ordered: dict[tuple[str, bool], pl.DataFrame] = {}
        self._timelines: dict[tuple[str, tuple[str, ...], bool], Timeline] = {}

    def timeline(self, table: str, key: tuple[str, ...], of_outcomes: bool) -> "Timeline":
        """The rows of a table by these columns, from when they, or their outcomes, became known."""
        name = (table, key, of_outcomes)
        if name not in self._timelines:
            self._timelines[name] = Timeline(self.tables[table], self._by_time(table, of_outcomes), key)
        return self._timelines[name]

    def _by_time(self, table: str, of_outcomes: bool) -> pl.DataFrame:
        """The rows in the order in which they became known; those known at once in the order of their key."""
        if (table, of_outcomes) not in self._ordered:
            declared = self.tables[table]
            time = declared.history_time(of_outcomes)
            known = (pl.lit(0) if time is None else time).cast(TIME).alias(KNOWN_AT)
            rows = self.frames[table].with_columns(known).drop_nulls(KNOWN_AT)
            self._ordered[table, of_outcomes] = rows.sort(KNOWN_AT, *declared.key)
        return self._ordered[table, of_outcomes]

    def known_before(self, table: str, moment: datetime, window: timedelta | None = None) -> pl.DataFrame:
        """The rows of a table as they were known at a moment.

        Args:
            table: Its name.
            moment: What became known then or later is not there yet.
            window: Only rows that became known, or whose outcomes did, in this time before it.
        """
        declared = self.tables[table]
        rows = as_known(declared, self.frames[table], moment)
        if window is None:
            return rows
        times = [declared.history_time(of_outcomes) for of_outcomes in (False, True)]
        newest = pl.max_horizontal(pl.when(time < moment).then(time) for time in times if time is not None)
        return rows.filter(newest >= moment - window).sort(newest, *declared.key)


class Timeline:
    """The rows of one table by key, and those of a key in the order in which they became known.

    A position stands between rows: the rows of a key that were known before a moment are those from `first` of its
    group on, up to the position that `before` finds.

    Args:
        table: What the contract declares of it.
        frame: Its rows in the order of KNOWN_AT.
        key: The columns that make a group.
    """

    def __init__(self, table: Table, frame: pl.DataFrame, key: tuple[str, ...]) -> None:
        keys, sizes, self._order = group_rows(frame, key)
        self._groups = {values: number for number, values in enumerate(keys) if None not in values}
        self._table, self._frame = table, frame
        self._moments = frame.get_column(KNOWN_AT).to_physical().to_numpy()
        self.known_at = np.append(self._moments[self._order], 0)
        self._codes = self._code(np.repeat(np.arange(len(sizes)), sizes), self.known_at[:-1])
        self.first = np.append(np.cumsum(sizes) - sizes, 0)
        self._kept: dict[Any, Any] = {}

    def _code(self, group: np.ndarray, at: np.ndarray) -> np.ndarray:
        """One number that orders by group, then by time."""
        return group * (len(self._moments) + 1) + self._moments.searchsorted(at)

    def find(self, rows: pl.DataFrame, key: tuple[str, ...]) -> np.ndarray:
        """The group of each row by its values of `key`; -1 where there is none, which has no rows."""
        return np.fromiter(map(self._groups.get, keys_of(rows, key), repeat(-1)), np.int64, rows.height)

    def before(self, group: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The position after the rows of a group that were known strictly before a moment, in microseconds."""
        return self._codes.searchsorted(self._code(group, at))

    def column(self, what: What) -> pl.Series:
        """A column, or what an expression makes of each row."""
        if isinstance(what, str):
            return self._frame[what][self._order]
        if looks_across(what):
            raise ValueError(f"{what} looks across the rows of a table: say it with a window, or with known.each")
        return self._frame.select(what).to_series()[self._order]

    def rows(self, start: int, end: int) -> pl.DataFrame:
        """The rows between two positions, with KNOWN_AT."""
        return self._frame[self._order[start:end]]

    def values(self, what: What) -> np.ndarray | pl.Series:
        """The values, and at the end one that stands for none: numbers with nan for null, anything else as a series."""
        return self._once("values", what, lambda: as_values(self.column(what), end=True))

    def sums(self, what: What) -> tuple[np.ndarray, np.ndarray, float]:
        """At each position: the sum of the whole numbers before it, how many there are, and how many make 1."""
        return self._once("sums", what, lambda: self._sums(what))

    def squares(self, what: What) -> np.ndarray:
        """At each position the sum of the squared whole numbers before it, as Python integers, which are exact."""
        return self._once("squares", what, lambda: cumulate(self._whole(what)[0].astype(object) ** 2))

    def _sums(self, what: What) -> tuple[np.ndarray, np.ndarray, float]:
        whole, present, scale = self._whole(what)
        return cumulate(whole), cumulate(present.astype(np.int64)), scale

    def _whole(self, what: What) -> tuple[np.ndarray, np.ndarray, float]:
        """Values as whole multiples of their resolution, which of them are there, and how many make 1."""
        column = self.column(what)
        numbers = as_numbers(column, what)
        scale = 1 if column.dtype.is_integer() or column.dtype == pl.Boolean else self._scale(what)
        steps = np.rint(np.nan_to_num(numbers) * scale)
        if not np.abs(steps).sum() < LARGEST_SUM:
            raise ValueError(
                f"{what} holds values too large to be summed exactly in steps of {1 / scale:g}: give the column "
                "bounds, or a coarser resolution, in contract.py"
            )
        return steps.astype(np.int64), ~np.isnan(numbers), scale

    def _scale(self, what: What) -> float:
        """How many steps make 1: of an expression as many as of the finest column that it is made of."""
        columns = [what] if isinstance(what, str) else what.meta.root_names()
        return max((self._table.scale(column) for column in columns), default=1)

    def extremes(self, what: What, choose: np.ufunc, longest: int) -> list[np.ndarray]:
        """For each power of two up to `longest`: of as many values from each position on, the least or largest."""
        levels = [self._once("numbers", what, lambda: as_numbers(self.column(what), what))]
        for power in range(int(longest).bit_length() - 1):
            levels.append(self._once((choose, power), what, partial(pair, choose, levels[-1], 2**power)))
        return levels

    def _once(self, kind: Any, what: What, make: Callable[[], Any]) -> Any:
        name = (kind, what if isinstance(what, str) else what.meta.serialize())
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


def group_rows(frame: pl.DataFrame, key: tuple[str, ...]) -> tuple[Any, np.ndarray, np.ndarray]:
    """The values of each group, how many rows it has, and the numbers of the rows group by group, in their order."""
    if not key:
        return [()], np.array([frame.height]), np.arange(frame.height)
    columns = {str(number): frame.get_column(column) for number, column in enumerate(key)}
    row = pl.int_range(frame.height, dtype=pl.Int64, eager=True)
    groups = pl.DataFrame(columns | {"row": row}).group_by(*columns, maintain_order=True).agg("row")
    rows = groups.get_column("row")
    return keys_of(groups, tuple(columns)), rows.list.len().to_numpy().astype(np.int64), rows.explode().to_numpy()


def keys_of(frame: pl.DataFrame, key: tuple[str, ...]) -> Any:
    """The values of some columns row by row; of no column, nothing for each row."""
    return zip(*(to_keys(frame.get_column(column)) for column in key), strict=True) if key else [()] * frame.height


def to_keys(column: pl.Series) -> list[Any]:
    """The values of a column; days and moments as numbers, since Python has no value for infinity of a database."""
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.cast_time_unit("us")
    return (column.to_physical() if column.dtype in (pl.Date, pl.Datetime) else column).to_list()


def as_values(column: pl.Series, end: bool = False) -> np.ndarray | pl.Series:
    """Numbers and truth values as float64 with nan for null; anything else as it is."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return column.extend_constant(None, 1) if end else column
    numbers = column.cast(pl.Float64).to_numpy()  # null becomes nan
    return np.append(numbers, np.nan) if end else numbers


def as_numbers(column: pl.Series, what: What) -> np.ndarray:
    """The values of a column of numbers or truth values; an infinite one counts as missing."""
    values = as_values(column)
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{what} is {column.dtype}: only numbers can be summed or compared")
    return np.where(np.isinf(values), np.nan, values)


def pair(choose: np.ufunc, values: np.ndarray, apart: int) -> np.ndarray:
    """Of each two values that are some positions apart, the chosen one."""
    return choose(values[:-apart], values[apart:])


def cumulate(values: np.ndarray) -> np.ndarray:
    """Sums before each position, the first of which is 0."""
    return np.concatenate(([0], np.cumsum(values)))
