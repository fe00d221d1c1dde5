"""The prediction log: every row is scored once, and what was scored is never rewritten."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
from prefect import task

from tasks.core.digests import digest_rows
from tasks.core.files import written_whole
from tasks.core.locks import only_one
from tasks.core.params import STORE
from tasks.registry.champion import Champion


@task
def score_rows(rows: pl.DataFrame, champion: Champion, as_of: datetime) -> int:
    """Score the rows that the log does not hold yet and append them by the date of their event; returns how many.

    Args:
        rows: Feature frame; labels are not looked at.
        champion: Whose model scores.
        as_of: The logical time, kept with each score.
    """
    with only_one("scoring"):
        logged = read_predictions(rows)
        new = rows if logged is None else rows.join(logged, on="key", how="anti", maintain_order="left")
        scored = new.select("key", "event_time").with_columns(
            score=champion.bundle.scorer.score(new), version=pl.lit(champion.version), scored_as_of=pl.lit(as_of)
        )
        for (day,), part in scored.group_by(pl.col("event_time").dt.date(), maintain_order=True):
            append(day, part)
    return new.height


def append(day: date, rows: pl.DataFrame) -> None:
    """Add a file to the log."""
    with written_whole(log_folder() / f"date={day}" / f"{digest_rows(rows)[:16]}.parquet") as part:
        rows.write_parquet(part)


def read_predictions(rows: pl.DataFrame) -> pl.DataFrame | None:
    """What is logged for the days of these rows: key, event_time, score, version, scored_as_of; None if nothing is."""
    days = rows["event_time"].dt.date().unique().sort()
    files = [file for day in days for file in sorted((log_folder() / f"date={day}").glob("*.parquet"))]
    return pl.read_parquet(files, hive_partitioning=False) if files else None


def log_folder() -> Path:
    return STORE / "predictions"
