"""Rows that were deleted at a source: nothing arrives that would tell of them, so rows are counted, day by day."""

from datetime import UTC, datetime, time, timedelta

import polars as pl

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.data.lateness import Unusual
from tasks.data.reader import table_of
from tasks.data.snapshot import Snapshot
from tasks.data.sources.declared import open_sources
from tasks.data.sources.source import Memory
from tasks.data.sources.sql import Sql
from tasks.features.table import Tables

SHOWN = 3  # days in a sentence


def find_deleted(params: Params, tables: Tables, snapshot: Snapshot) -> list[Unusual]:
    """What is in the data, but no longer at the source, where a source has `count`.

    Args:
        params: The settings; `sources` and `ingest` count here.
        tables: As the contract declares them.
        snapshot: The current version.
    """
    found = []
    for source in open_sources(params, tables).sources.values():
        if isinstance(source, Sql) and source.count:
            memory = Memory(tables[source.table], params.ingest.time_zone)
            try:
                found += compare(source, source.count, memory, snapshot)
            except InputError as error:
                print(f"deleted rows cannot be told: {error}")
    return found


def compare(source: Sql, span: timedelta, memory: Memory, snapshot: Snapshot) -> list[Unusual]:
    """What a source has no longer; rows that came or moved on since it was read are no deletions."""
    assert source.cursor is not None
    files = [path for name, path in snapshot.files.items() if table_of(name) == source.table]
    if not files:
        return []
    since = datetime.combine(datetime.now(UTC) - span, time(), UTC)
    day = pl.col(source.cursor).cast(pl.Datetime("us", "UTC"), strict=False).dt.date().alias("day")
    rows = pl.scan_parquet(files, glob=False).select(day).filter(pl.col("day") >= since.date())
    here = rows.group_by("day").agg(pl.len().cast(pl.Int64).alias("here")).collect()
    there = source.count_days(since, memory).select("day", pl.col("rows").cast(pl.Int64).alias("there"))
    both = here.join(there, on="day", how="left").with_columns(gone=pl.col("here") - pl.col("there").fill_null(0))
    gone = int(here["here"].sum()) - int(there["there"].sum())
    if gone <= 0:
        return []
    days = ", ".join(f"{day}" for day in both.filter(pl.col("gone") > 0).sort("gone", descending=True)["day"][:SHOWN])
    reason = f"{gone:,} rows of {source.table} or more were deleted at source {source.name}, such as of {days}"
    return [Unusual(source.table, "data.unusual", reason)]
