"""The month is the unit of work: its valid rows and their features, in constant memory."""

from datetime import UTC, datetime

import polars as pl
from prefect import task

from tasks.contract import EVENT_TIME, KEY, KNOWN_AT, ROWS, TABLES, TARGET
from tasks.data import month_span, months, read_table
from tasks.errors import InputError
from tasks.features import LOOKBACK, build_features
from tasks.params import Validation
from tasks.snapshot import Snapshot
from tasks.validation import Count, separate_rows, validate_rows

ALWAYS = datetime(1, 1, 1, tzinfo=UTC)

# What a feature frame holds beside the features; all other columns of it are features.
META = {"key": pl.struct(KEY), "event_time": EVENT_TIME, "known_at": KNOWN_AT[ROWS], "target": TARGET}


@task
def build_feature_frame(
    snapshot: Snapshot, as_of: datetime, since: datetime | None, validation: Validation
) -> tuple[pl.DataFrame, list[Count]]:
    """Features of every row whose target was known before as_of, month by month.

    Args:
        snapshot: The data version.
        as_of: Nothing known at or after it is read.
        since: The first event time of interest; None is the beginning of the data.
        validation: What share of bad rows is borne.

    Returns:
        A frame of META and feature columns in event order, and what validation counted.
    """
    spans = [month_span(file) for file in months(snapshot)]
    wanted = [(start, end) for start, end in spans if start < as_of and end > (since or ALWAYS)]
    if not wanted:
        raise InputError(f"as_of {as_of:%Y-%m-%d %H:%M} lies before the data, which starts in {spans[0][0]:%Y-%m}")
    fixed, counts = {}, []
    for table in TABLES.keys() - KNOWN_AT.keys():
        fixed[table], count = validate_rows(table, read_table(snapshot, table, ALWAYS, as_of, as_of), validation)
        counts.append(count)
    frames = []
    for start, end in wanted:
        frame, counted = build_partition(snapshot, start, end, as_of, fixed, validation)
        frames.append(frame)
        counts += counted
    refuse_empty(counts, as_of)
    return pl.concat(frames).filter(pl.col("target").is_not_null()), counts


def build_partition(
    snapshot: Snapshot,
    start: datetime,
    end: datetime,
    as_of: datetime,
    fixed: dict[str, pl.DataFrame],
    validation: Validation,
) -> tuple[pl.DataFrame, list[Count]]:
    """META and features of the rows with an event in [start, end), from them and LOOKBACK before them."""
    tables, counts = dict(fixed), []
    for table in KNOWN_AT:
        current, count = validate_rows(table, read_table(snapshot, table, start, end, as_of), validation)
        earlier, _ = separate_rows(table, read_table(snapshot, table, start - LOOKBACK, start, as_of))
        tables[table] = pl.concat([earlier, current])
        counts.append(count)
        if table == ROWS:
            rows = current
    features = build_features(rows, tables)
    if taken := META.keys() & set(features.columns):
        raise InputError(f"tasks/features.py makes a column {min(taken)!r}; that name is taken, choose another")
    return rows.select(**META).hstack(features), counts


def refuse_empty(counts: list[Count], as_of: datetime) -> None:
    """A table without a single row is a broken delivery, not a fact."""
    for table in TABLES:
        if not sum(count.read for count in counts if count.table == table):
            raise InputError(f"the table {table} holds no row known before as_of {as_of:%Y-%m-%d %H:%M}")
