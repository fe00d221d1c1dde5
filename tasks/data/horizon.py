"""Between which moments the events of a table may lie, so that no row can move the clock."""

from datetime import UTC, datetime

import polars as pl

from tasks.core.moments import POSSIBLE
from tasks.core.params import Validation
from tasks.data.merge import Merge
from tasks.data.reader import month_span
from tasks.features.table import POLARS_ERRORS, Table

Span = tuple[datetime, datetime]


def start_of(table: Table) -> pl.Expr | None:
    """When a row's event is, or where it has none, when it became known."""
    return table.row_known_at if table.event_time is None else table.event_time


def find_span(merge: Merge, name: str) -> Span | None:
    """The first and last event of a table in the data; None where it has none. Of monthly files their months count."""
    start, files = start_of(merge.tables[name]), merge.snapshot.files
    if start is None:
        return None
    if f"{name}.parquet" in files:
        return measure(merge.read(f"{name}.parquet").select(start.alias("start"))["start"])
    spans = [month_span(file) for file in files if file.startswith(f"{name}/")]
    return (min(spans)[0], max(spans)[1]) if spans else None


def measure(times: pl.Series) -> Span | None:
    """The first and last of the times that are possible."""
    low, high = POSSIBLE
    possible = times.filter(times.is_between(low, high))
    first, last = possible.min(), possible.max()
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def find_horizon(span: Span | None, table: Table, rows: pl.DataFrame, validation: Validation) -> Span:
    """Between which moments an event may lie.

    Args:
        span: The first and last event of the data; None where it has none yet.
        table: As the contract declares it.
        rows: What landed: without data, the median of its events stands for it.
        validation: How far before the oldest, after the newest, and after now.
    """
    latest = datetime.now(UTC) + validation.horizon_after
    if span is not None:
        return max(POSSIBLE[0], span[0] - validation.horizon_before), min(latest, span[1] + validation.horizon_gap)
    middle = find_middle(table, rows)
    if middle is None:
        return POSSIBLE[0], latest
    return max(POSSIBLE[0], middle - validation.horizon_before), min(latest, middle + validation.horizon_before)


def find_middle(table: Table, rows: pl.DataFrame) -> datetime | None:
    """The median of the possible times of some rows."""
    start = start_of(table)
    if start is None:
        return None
    try:
        middle = rows.select(start.filter(start.is_between(*POSSIBLE)).median()).item()
    except POLARS_ERRORS:  # a row's time cannot be computed
        return None
    return middle if isinstance(middle, datetime) else None
