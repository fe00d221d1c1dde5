"""How far before and after a row's event the tables are read: it follows from the declared windows and the contract."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import polars as pl

from tasks.features.durations import parse_duration
from tasks.features.past import Term
from tasks.features.table import Table

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
NONE = timedelta(0)
CORNERS = 6  # columns of bounds, at most: all combinations are tried


class Reach(NamedTuple):
    """The rows that features may be made of: from `before` the first event asked for to `after` the last."""

    before: timedelta
    after: timedelta
    lead: timedelta  # the longest time from the prediction of a row to its event


def measure_reach(tables: Mapping[str, Table], rows: str, prediction_time: pl.Expr, terms: Iterable[Term]) -> Reach:
    """What the features need of the tables beside the rows asked for.

    Args:
        tables: What the contract declares.
        rows: The table that is predicted; its rows are filed by event time, those of others by when they became known.
        prediction_time: Of its rows.
        terms: What the features ask for.

    Raises:
        ValueError: It does not follow from the contract.
    """
    earliest, latest = delays(rows, tables[rows], prediction_time, "the prediction time")
    before, after = NONE, max(NONE, latest)
    for term in terms:
        first, last = NONE, NONE
        if term.table == rows and (known := tables[rows].history_time(term.of_outcomes)) is not None:
            what = "when the outcomes became known" if term.of_outcomes else "when a row became known"
            first, last = delays(rows, tables[rows], known, what)
        before = max(before, timedelta(microseconds=term.window) + last - earliest)
        after = max(after, latest - first)
    return Reach(before, after, max(NONE, -earliest))


def delays(name: str, table: Table, time: pl.Expr, what: str) -> tuple[timedelta, timedelta]:
    """The least and the longest time from a row's event to another time of it, by the bounds of its columns."""
    assert table.event_time is not None
    used = sorted({*time.meta.root_names(), *table.event_time.meta.root_names()})
    moments = [column for column in used if table.columns[column].dtype.is_temporal()]
    try:
        if not set(moments) <= set(table.event_time.meta.root_names()):
            raise ValueError("it is made of a time of its own")
        values = [bounds(column, table.columns[column]) for column in used if column not in moments]
        if len(values) > CORNERS:
            raise ValueError(f"it is made of more than {CORNERS} columns")
    except ValueError as error:
        if table.known_within is None or what == "the prediction time":
            raise ValueError(
                f"{name}: how far {what} may lie from the event does not follow from the contract, "
                f'{error}: declare known_within="30d" for instance, or min and max'
            ) from None
        return -parse_duration(table.known_within), parse_duration(table.known_within)
    names = [*moments, *(column for column in used if column not in moments)]
    corners = pl.DataFrame(list(product(*([ORIGIN] for _ in moments), *values)), schema=names, orient="row")
    kinds = table.schema.create_empty().select(names).schema
    spans = corners.cast(kinds).select(time - table.event_time).to_series().drop_nulls().to_list()
    return min(spans), max(spans)


def bounds(name: str, column: Any) -> list[Any]:
    """The smallest and the largest value of a column, and null where it may be."""
    low, high = getattr(column, "min", None), getattr(column, "max", None)
    if low is None or high is None:
        raise ValueError(f"since {name} has no min and max")
    return [low, high, *([None] if column.nullable else [])]
