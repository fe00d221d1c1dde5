"""Readings of meters, small enough to check by hand: a table that sources fill."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from tasks.features.table import Table

START = datetime(2013, 5, 1, tzinfo=UTC)


class Readings(dy.Schema):
    """One reading of a meter."""

    meter = dy.Int16(primary_key=True)
    at = dy.Datetime(time_zone="UTC", primary_key=True)
    value = dy.Int32(nullable=True, max=1_000_000)
    note = dy.String(nullable=True)
    updated_at = dy.Datetime(time_zone="UTC", nullable=True)


TABLES = {"readings": Table(schema=Readings, event_time=pl.col("at"))}


def reading(number: int, value: int | None = None, meter: int = 1, **more: Any) -> dict[str, Any]:
    """The n-th reading, one a minute, told as soon as it was made."""
    at = START + timedelta(minutes=number)
    told = {
        "meter": meter,
        "at": at,
        "value": number if value is None else value,
        "note": f"n{number}",
        "updated_at": at,
    }
    return told | more


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A reading as JSON takes it."""
    return {name: f"{v:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(v, datetime) else v for name, v in row.items()}


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=Readings.create_empty().schema)


def stored(workspace) -> dict[tuple[int, int], int | None]:
    """The values of data/ by meter and number of the reading."""
    rows = pl.concat(pl.read_parquet(path) for path in sorted((workspace / "data" / "readings").glob("*.parquet")))
    numbers = (rows["at"] - START).dt.total_minutes().alias("number")
    return {(meter, number): value for meter, number, value in rows.select("meter", numbers, "value").iter_rows()}
