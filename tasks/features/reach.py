"""How far before and after the rows asked for the tables are read: it follows from windows and contract."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import polars as pl

from tasks.features.durations import parse_duration
from tasks.features.past import Term
from tasks.features.table import Table

NONE, TICK = timedelta(0), timedelta(microseconds=1)
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2001, 1, 2, tzinfo=UTC)
ASKED = "PREDICTION_TIME"
MOST = 6  # columns of bounds, at most: all their combinations are tried


class Reach(NamedTuple):
    """The rows that features may be made of: from `before` the first event asked for to `after` the last."""

    before: timedelta
    after: timedelta
    lead: timedelta  # the longest time from the prediction of a row to its event


def measure_reach(tables: Mapping[str, Table], rows: str, prediction_time: pl.Expr, terms: Iterable[Term]) -> Reach:
    """What the features need of the tables beside the rows asked for.

    Args:
        tables: What the contract declares.
        rows: The table that is predicted.
        prediction_time: Of its rows.
        terms: What the features ask for.

    Raises:
        ValueError: It does not follow from the contract.
    """
    predicted = tables[rows]
    earliest, latest = find_delays(rows, predicted, predicted.event_time, prediction_time, ASKED)
    before, after = NONE, max(NONE, latest)
    for table, of_outcomes in {(term.table, term.of_outcomes) for term in terms}:
        first, last = find_history_delays(table, tables[table], table == rows, of_outcomes)
        window = max(term.window for term in terms if (term.table, term.of_outcomes) == (table, of_outcomes))
        before = max(before, timedelta(microseconds=window) + last - earliest)
        after = max(after, latest - first)
    return Reach(before, after, max(NONE, -earliest))


def refuse_known_later(name: str, table: Table, prediction_time: pl.Expr) -> None:
    """Refuse a table of which each row becomes known after its prediction is asked for, where the contract tells.

    Raises:
        ValueError: Its own columns would be features that are not there yet.
    """
    if table.known_at is None:
        return
    try:
        least, _ = find_delays(name, table, prediction_time, table.known_at, "known_at")
    except ValueError:
        return  # some may, and some may not
    if least > NONE:
        raise ValueError(
            f"PREDICTION_TIME lies at least {least} before known_at of {name}: ask later, or move the columns that are "
            "told later to a table of their own"
        )


def find_history_delays(name: str, table: Table, predicted: bool, of_outcomes: bool) -> tuple[timedelta, timedelta]:
    """How much later than the time by which a row is read it, or its outcomes, may become known."""
    read_by = table.event_time if predicted else table.row_known_at
    known = table.known_from(of_outcomes)
    if known is None or known is read_by:
        return NONE, NONE
    if table.known_within is not None:
        longest = parse_duration(table.known_within) * (1 if predicted or table.event_time is None else 2)
        return -longest, longest
    what = "outcomes_known_at" if of_outcomes else "known_at"
    return find_delays(name, table, read_by, known, what)


def find_delays(name: str, table: Table, start: pl.Expr | None, end: pl.Expr, what: str) -> tuple[timedelta, timedelta]:
    """The least and the longest time between two times of a row, by the bounds of the columns they are made of."""
    assert start is not None
    try:
        delays = pl.concat(
            rows.select(least=(end - start).min(), longest=(end - start).max())
            for rows in make_extremes(table, start, end)
        )
    except ValueError as error:
        raise ValueError(
            f"{name}: the longest time between the event and {what} cannot be worked out, {error}: give its "
            "columns min and max" + ("" if what == ASKED else ', or its Table known_within="30d" for instance')
        ) from None
    return delays.select(pl.min("least"), pl.max("longest")).row(0)


def make_extremes(table: Table, start: pl.Expr, end: pl.Expr) -> Iterator[pl.DataFrame]:
    """Each combination of the least and the largest value of each column, around each hour of a year."""
    used = sorted({*start.meta.root_names(), *end.meta.root_names()})
    times = [column for column in used if table.columns[column].dtype.is_temporal()]
    if not set(times) <= set(start.meta.root_names()):
        raise ValueError("since it is a time of its own")
    bounded = {column: find_bounds(column, table.columns[column]) for column in used if column not in times}
    if len(bounded) > MOST:
        raise ValueError(f"since it is made of more than {MOST} columns")
    kinds = table.empty.select(used).schema
    hours = pl.datetime_range(FIRST, LAST, "1h", eager=True)
    around = pl.concat([hours, hours - TICK])
    moments = pl.DataFrame(dict.fromkeys(times, around) or {"": [None]})
    for corner in product(*bounded.values()):
        values = {column: pl.lit(value) for column, value in zip(bounded, corner, strict=True)}
        yield moments.with_columns(**values).select(used).cast(dict(kinds))


def find_bounds(name: str, column: Any) -> list[Any]:
    """The smallest and the largest value of a column, and null where it may be."""
    low, high = getattr(column, "min", None), getattr(column, "max", None)
    if lacking := [bound for bound, value in (("min", low), ("max", high)) if value is None]:
        raise ValueError(f"since {name} has no {' and no '.join(lacking)}")
    return [low, high, *([None] if column.nullable else [])]
