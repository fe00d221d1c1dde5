"""What the data suggest as answers to the questions about a new model."""

from datetime import UTC, datetime
from itertools import combinations

import polars as pl

from tasks.core.moments import POSSIBLE

SPARE = 0.001  # of the rows may lack their outcome beyond the usual share
INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def is_usable(kind: pl.DataType) -> bool:
    """Whether a contract may declare a column of a type, and features be made of it."""
    return kind in (pl.String, pl.Boolean, pl.Date, pl.Datetime) or kind.is_numeric()


def guess_key(rows: pl.DataFrame, event: str, outcomes: list[str]) -> list[str]:
    """The event's column and as few others as make all rows unique, or most; none that is null or told later."""
    known = rows.drop(event, *outcomes)
    others = [column.name for column in known if not column.null_count() and column.dtype in (pl.String, *INTEGERS)]
    offered = [[event, *chosen] for more in range(3) for chosen in combinations(others, more)]
    best, unique = [event], 0
    for key in offered:
        if (number := rows.select(key).n_unique()) > unique:
            best, unique = key, number
        if unique == rows.height:
            break
    return best


def guess_delay(rows: pl.DataFrame, event: str, target: str) -> str:
    """From how many days after the event on an outcome is missing no more often than in the older half of the rows.

    At least 1, of days 2; the share of the missing is that of three days.
    """
    days = pl.col(event).cast(pl.Date)
    past = rows.filter(days.is_between(POSSIBLE[0].date(), datetime.now(UTC).date()))
    past = past.select(age=(days.max() - days).dt.total_days(), missing=pl.col(target).is_null())
    ages = past.group_by("age").agg(pl.len().alias("rows"), pl.sum("missing"))
    half = int(ages["age"].max() or 0) // 2  # ty: ignore[invalid-argument-type]
    usual = missing_share(ages.filter(pl.col("age") >= half))
    least = 2 if rows.schema[event] == pl.Date else 1
    for age in range(least, half):
        if missing_share(ages.filter(pl.col("age").is_between(age, age + 2))) <= usual + SPARE:
            return f"{age}d"
    return f"{least}d"


def missing_share(ages: pl.DataFrame) -> float:
    """The share of the rows of some ages without an outcome; of no rows all."""
    return int(ages["missing"].sum()) / int(ages["rows"].sum()) if ages.height else 1.0
