"""The answers of endpoints: from the files that they log them to into the table of predictions, each key once.

A file holds a line of JSON for each answered request, written before the answer. One that is still written to ends with
`.part`; its whole lines are taken in, too, and it stays. A finished one is removed when all of it is in the table, so
whatever dies on the way, the next run does the rest, and what is in already is not inserted twice.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import polars as pl

from tasks.core.errors import first_line
from tasks.core.store import store
from tasks.core.tables import as_json, erase, insert_new, literal
from tasks.core.use_case import UseCase
from tasks.inference.prediction_log import PREDICTIONS

FOLDER = "served"  # of the store
FINISHED = ".jsonl"
AT_ONCE = 100_000  # rows that are inserted in one step


def take_in_answers(use_case: UseCase, log_inputs: float = 1.0) -> int:
    """Insert what endpoints answered of a model; returns how many keys nobody had scored before.

    Args:
        use_case: Whose rows were asked for.
        log_inputs: The share of them whose inputs are kept.

    Raises:
        InputError: The store cannot be used.
    """
    inserted, waiting, done = 0, [], []
    for name in store().list(f"{FOLDER}/{use_case.model}"):
        waiting += [*read_answers(use_case, name, log_inputs)]
        done += [name] if name.endswith(FINISHED) else []
        if sum(rows.height for rows in waiting) >= AT_ONCE:
            inserted += insert_answers(waiting, done)
            waiting, done = [], []
    return inserted + insert_answers(waiting, done)


def insert_answers(answers: list[pl.DataFrame], done: list[str]) -> int:
    """Insert some answers, then remove the files that are in whole."""
    inserted = insert_new(PREDICTIONS, pl.concat(answers)) if answers else 0
    for name in done:
        store().remove(name)
    return inserted


def read_answers(use_case: UseCase, name: str, log_inputs: float) -> Iterator[pl.DataFrame]:
    """The whole lines of a file as rows of the table; what cannot be read is kept beside, and told."""
    whole, _, _ = (store().find(name) or b"").rpartition(b"\n")  # a torn last line was never answered
    damaged = []
    for line in whole.splitlines():
        try:
            yield to_predictions(use_case, json.loads(line), log_inputs)
        except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            damaged.append(line)
            why = first_line(error)[:200]
    if damaged and name.endswith(FINISHED):
        store().put(f"{name}.damaged", b"\n".join(damaged))
        print(f"{len(damaged)} lines of {name} cannot be read ({why}): they are kept as {name}.damaged")


def to_predictions(use_case: UseCase, line: dict[str, Any], log_inputs: float) -> pl.DataFrame:
    """An answered request as rows of the table."""
    rows, size = read_rows(use_case, line["rows"]), len(line["scores"])
    if len(line["rows"]) != size or line["model"] != use_case.model:
        raise ValueError(f"it is no answer of {use_case.model}")
    key = as_json(rows.select(use_case.key))
    kept = pl.Series([crc32(text.encode()) < log_inputs * 2**32 for text in key], dtype=pl.Boolean)
    moments = {name: datetime.fromisoformat(line[name]) for name in ("made_at", "as_of")}
    return rows.select(
        model=pl.lit(line["model"]),
        day=use_case.event_time.dt.date(),
        key=key,
        event_time=use_case.event_time,
        score=pl.Series(line["scores"], dtype=pl.Float64),
        predecessor_score=pl.Series(line["before"] or [None] * size, dtype=pl.Float64),
        version=pl.lit(line["version"]),
        data_version=pl.lit(line["data_version"]),
        **{name: pl.lit(moment) for name, moment in moments.items()},
        request_id=pl.lit(line["request_id"]),
        inputs=pl.when(kept).then(as_json(rows)),
        context=pl.lit(json.dumps(line["context"])),
    )


def read_rows(use_case: UseCase, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of JSON with the types of the contract."""
    kinds = {name: kind for name, kind in use_case.predicted.empty.schema.items() if name in rows[0]}
    text = {name: pl.String if kind.is_temporal() else kind for name, kind in kinds.items()}
    frame = pl.DataFrame(rows, schema=text, strict=False)
    return frame.with_columns(parse_time(name, kind) for name, kind in kinds.items() if kind.is_temporal())


def parse_time(name: str, kind: Any) -> pl.Expr:
    """A column of ISO text as the times that the contract declares."""
    text = pl.col(name).str
    return text.to_datetime(time_zone="UTC", time_unit="us").cast(kind) if kind == pl.Datetime else text.strptime(kind)


def forget_inputs(model: str, age: timedelta | None, now: datetime) -> None:
    """Erase the inputs of answers that are older; their scores stay."""
    if age is not None:
        old = f"model = {literal(model)} AND made_at < {literal(now - age)} AND inputs IS NOT NULL"
        erase(PREDICTIONS, ("inputs", "context"), old)
