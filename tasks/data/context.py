"""The rows of a month, as they were known at a moment, and the context that their features may be made of."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

import polars as pl

from tasks.core.params import Validation
from tasks.core.use_case import UseCase
from tasks.data.reader import Month, know, read_table
from tasks.data.snapshot import Snapshot
from tasks.data.validation import Count, separate_rows, validate_rows
from tasks.features.index import Index

ALWAYS, NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class Context(NamedTuple):
    """Valid rows to predict, the index of all tables, and what validation counted of the month."""

    rows: pl.DataFrame
    index: Index
    counts: list[Count]
    settled_at: datetime  # when the last value that it is made of became known: from then on as_of changes nothing


def read_fixed_tables(
    snapshot: Snapshot, use_case: UseCase, validation: Validation
) -> tuple[dict[str, pl.DataFrame], list[Count]]:
    """The valid rows of the tables that were always known, and what validation counted of them."""
    fixed, counts = {}, []
    for name in (name for name, table in use_case.tables.items() if table.row_known_at is None):
        rows = read_table(snapshot, use_case, name, ALWAYS, NEVER)
        fixed[name], count = validate_rows(use_case.tables, name, rows, validation)
        counts.append(count)
    return fixed, counts


def read_month(snapshot: Snapshot, use_case: UseCase, span: Month, as_of: datetime, validation: Validation) -> Context:
    """The rows of one month with all that their features may be made of."""
    fixed, _ = read_fixed_tables(snapshot, use_case, validation)
    [(_, near)] = read_timed_tables(snapshot, use_case, [span])
    return read_context(snapshot, use_case, fixed | near, span, as_of, validation)


def read_timed_tables(
    snapshot: Snapshot, use_case: UseCase, spans: list[Month]
) -> Iterator[tuple[Month, dict[str, pl.DataFrame]]]:
    """Each month, and in reach of it the rows of the tables that became known at some time, as on disk.

    A year is read at a time, so that a long table is never held whole; the table of the rows that are predicted is not
    among them.
    """
    timed = [name for name, table in use_case.tables.items() if table.row_known_at is not None]
    for _, months in groupby(spans, key=lambda span: span[0].year):
        year = list(months)
        reach = reach_of(use_case, (year[0][0], year[-1][1]))
        tables = {name: read_table(snapshot, use_case, name, *reach) for name in timed if name != use_case.rows}
        for span in year:
            near = reach_of(use_case, span)
            yield span, {name: rows.filter(lies_in(time_of(use_case, name), near)) for name, rows in tables.items()}


def reach_of(use_case: UseCase, span: Month) -> Month:
    """The time span of the rows that the features of a month's rows may be made of."""
    return span[0] - use_case.reach.before, span[1] + use_case.reach.after


def read_context(
    snapshot: Snapshot,
    use_case: UseCase,
    tables: dict[str, pl.DataFrame],
    span: Month,
    as_of: datetime,
    validation: Validation,
) -> Context:
    """The rows of a month that are asked for before as_of, and what was known by then in reach of them.

    Args:
        snapshot: The data version.
        use_case: Contract, target and features.
        tables: The other tables: valid rows of those that were always known, rows in reach of the others.
        span: The month.
        as_of: Nothing known at or after it is read.
        validation: The maximum share of bad rows of the month.
    """
    tables = tables | {use_case.rows: read_table(snapshot, use_case, use_case.rows, *reach_of(use_case, span))}
    counts, settled_at = [], ALWAYS
    for name in (name for name, table in use_case.tables.items() if table.row_known_at is not None):
        settled_at = max(settled_at, newest_time(use_case, name, tables[name]))
        known, in_month = know(use_case, name, tables[name], as_of), lies_in(time_of(use_case, name), span)
        others, _ = separate_rows(use_case.tables, name, known.filter(~in_month))
        month, count = validate_rows(use_case.tables, name, known.filter(in_month), validation)
        tables[name] = pl.concat([others, month])
        counts.append(count)
    asked = tables[use_case.rows].filter(lies_in(use_case.event_time, span), use_case.prediction_time < as_of)
    return Context(asked, Index(use_case.tables, tables), counts, settled_at)


def newest_time(use_case: UseCase, name: str, rows: pl.DataFrame) -> datetime:
    """When the last of some rows, or of their outcomes, became known or is asked for."""
    table, asked = use_case.tables[name], [use_case.prediction_time] if name == use_case.rows else []
    times = [table.row_known_at, table.outcomes_known_at, *asked]
    return rows.select(pl.max_horizontal(time.max() for time in times if time is not None)).item() or ALWAYS


def time_of(use_case: UseCase, name: str) -> pl.Expr:
    """The time by which rows are read: of the event where they are predicted, else when they became known."""
    time = use_case.event_time if name == use_case.rows else use_case.tables[name].row_known_at
    assert time is not None
    return time


def lies_in(time: pl.Expr, span: Month) -> pl.Expr:
    """Whether a time lies in [start, end)."""
    return (time >= span[0]) & (time < span[1])
