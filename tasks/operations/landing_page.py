"""The page of an ingest, and the news of each table."""

from typing import Any

import polars as pl

from tasks.core.errors import escape_controls
from tasks.core.events import announce
from tasks.data.merge import Change
from tasks.data.sources import Landed
from tasks.features.table import Tables
from tasks.operations.markdown import to_table


def landing_page(changes: list[Change]) -> str:
    """What every landed file did to the data."""
    rows = [{name.replace("_", " "): str(value) for name, value in change._asdict().items()} for change in changes]
    return f"#### What each file did\n\n{to_table(rows)}"


def tell_landed(tables: Tables, changes: list[Change], landed: list[Landed], version: str) -> None:
    """Print what every landed file did, and emit data.landed for each table."""
    for change in changes:
        counts = ", ".join(f"{count:,} {name}" for name, count in rows_of(change).items() if count)
        print(f"{escape_controls(change.file)}: {counts or 'no rows'}")
    for table in dict.fromkeys(delivery.table for delivery in landed):
        facts = describe_landed(tables, table, [delivery.rows for delivery in landed if delivery.table == table])
        announce("data.landed", f"data.{table}", **facts, data_version=version)


def describe_landed(tables: Tables, table: str, parts: list[pl.DataFrame]) -> dict[str, Any]:
    """How many rows of a table landed, and the first and last time of an event among them."""
    event, rows = tables[table].event_time, sum(part.height for part in parts)
    times = [] if event is None else pl.concat([part.select(event) for part in parts]).to_series().drop_nulls().sort()
    first, last = (times[0].isoformat(), times[-1].isoformat()) if len(times) else (None, None)
    return {"table": table, "rows": rows, "start": first, "end": last}


def rows_of(change: Change) -> dict[str, int]:
    """The counts of a change by name."""
    return {name.replace("_", " "): value for name, value in change._asdict().items() if name not in ("file", "read")}
