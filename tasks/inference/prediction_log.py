"""The prediction log: every row is scored once, whoever scores, and what was scored is never rewritten."""

from datetime import UTC, datetime

import polars as pl

from tasks.core.tables import Table, as_json, insert_new, literal, read_rows
from tasks.inference.scorer import Scorer

PREDICTIONS = Table(
    "predictions",
    {
        "model": pl.String,
        "day": pl.Date,  # of the event
        "key": pl.String,  # as JSON
        "event_time": pl.Datetime("us", "UTC"),
        "score": pl.Float64,
        "predecessor_score": pl.Float64,  # of the champion before; null where there is none
        "version": pl.String,
        "data_version": pl.String,
        "as_of": pl.Datetime("us", "UTC"),
        "made_at": pl.Datetime("us", "UTC"),
        "request_id": pl.String,  # of an endpoint, as are the inputs; a batch has its data version
        "inputs": pl.String,  # as JSON
        "context": pl.String,  # of an endpoint: when the newest row of each table became known, as JSON
    },
    key=("model", "day", "key"),
    partition=("model", "day"),
)


def score_rows(
    model: str,
    rows: pl.DataFrame,
    scorer: Scorer,
    version: str,
    predecessor: Scorer | None,
    data_version: str,
    as_of: datetime,
) -> int:
    """Score the rows that the log does not hold yet; returns how many.

    Args:
        model: Its name.
        rows: Feature frame; labels are not looked at.
        scorer: The model that scores.
        version: Its number, kept with each score.
        predecessor: The champion before, if any; its score is kept beside.
        data_version: Of the rows, kept with each score.
        as_of: The logical time, kept with each score.
    """
    keyed = rows.with_columns(key=key_text(rows))
    known = read_predictions(model, rows, ["key"])
    new = keyed.join(known, on="key", how="anti", maintain_order="left")
    usable = predecessor is not None and not predecessor.missing(new.columns)
    scored = new.select("key", "event_time").with_columns(
        model=pl.lit(model),
        day=pl.col("event_time").dt.date(),
        score=scorer.score(new),
        predecessor_score=predecessor.score(new) if predecessor and usable else pl.lit(None),
        version=pl.lit(version),
        data_version=pl.lit(data_version),
        as_of=pl.lit(as_of),
        made_at=pl.lit(datetime.now(UTC)),
    )
    return insert_new(PREDICTIONS, scored)


def read_predictions(model: str, rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """What is logged for the days of these rows."""
    if rows.is_empty():
        return pl.DataFrame(schema={name: PREDICTIONS.schema[name] for name in columns})
    days = rows["event_time"].dt.date()
    span = f"day >= {literal(days.min())} AND day <= {literal(days.max())}"
    return read_rows(PREDICTIONS, f"model = {literal(model)} AND {span}", columns)


def key_text(rows: pl.DataFrame) -> pl.Series:
    """The key of each row as the log keeps it."""
    return as_json(rows["key"].struct.unnest())
