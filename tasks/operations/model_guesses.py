"""What the data suggest as answers to the questions about a new model."""

from datetime import UTC, datetime
from itertools import combinations

import polars as pl

from tasks.core.moments import POSSIBLE

INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def guess_key(rows: pl.DataFrame, event: str, outcomes: list[str]) -> list[str]:
    """The event's column and as few others as make each row unique; none that is null somewhere or told later."""
    known = rows.drop(event, *outcomes)
    others = [column.name for column in known if not column.null_count() and column.dtype in (pl.String, *INTEGERS)]
    for more in range(3):
        for chosen in combinations(others, more):
            if rows.select(event, *chosen).n_unique() == rows.height:
                return [event, *chosen]
    return [event]


def guess_delay(rows: pl.DataFrame, event: str, target: str) -> str:
    """By how many days the newest event of the past lies after the newest with an outcome; at least 1, of days 2."""
    days = pl.col(event).cast(pl.Date)
    rows = rows.filter(days.is_between(POSSIBLE[0].date(), datetime.now(UTC).date()))
    newest, labelled = rows.select(days.max(), labelled=days.filter(pl.col(target).is_not_null()).max()).row(0)
    least = 2 if rows.schema[event] == pl.Date else 1
    return f"{max(least, (newest - labelled).days) if labelled else least}d"
