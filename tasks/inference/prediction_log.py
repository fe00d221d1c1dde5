"""The prediction log: every row is scored once, and what was scored is never rewritten."""

from datetime import date, datetime

import polars as pl

from tasks.core.cache_keys import digest_rows
from tasks.core.files import atomic_write
from tasks.core.locks import exclusive
from tasks.core.workspace import workspace
from tasks.inference.scorer import Scorer


def score_rows(rows: pl.DataFrame, scorer: Scorer, version: str, as_of: datetime) -> int:
    """Score the rows that the log does not hold yet and append them by the date of their event; returns how many.

    Args:
        rows: Feature frame; labels are not looked at.
        scorer: The model that scores.
        version: Its number, kept with each score.
        as_of: The logical time, kept with each score.
    """
    with exclusive("scoring"):
        logged = read_predictions(rows)
        new = rows if logged is None else rows.join(logged, on="key", how="anti", maintain_order="left")
        scored = new.select("key", "event_time").with_columns(
            score=scorer.score(new), version=pl.lit(version), scored_as_of=pl.lit(as_of)
        )
        for (day,), part in scored.group_by(pl.col("event_time").dt.date(), maintain_order=True):
            append(day, part)
    return new.height


def append(day: date, rows: pl.DataFrame) -> None:
    """Add a file to the log."""
    with atomic_write(workspace().predictions / f"date={day}" / f"{digest_rows(rows)[:16]}.parquet") as part:
        rows.write_parquet(part)


def read_predictions(rows: pl.DataFrame) -> pl.DataFrame | None:
    """What is logged for the days of these rows: key, event_time, score, version, scored_as_of; None if nothing is."""
    days = rows["event_time"].dt.date().unique().sort()
    files = [file for day in days for file in sorted((workspace().predictions / f"date={day}").glob("*.parquet"))]
    return pl.read_parquet(files, hive_partitioning=False) if files else None
