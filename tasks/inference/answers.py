"""The answers of endpoints: from the files that they log them to into the table of predictions, each key once.

A file holds a line of JSON for each answered request, written before the answer. One that is still written to ends with
`.part`; its whole lines are taken in, too, and it stays. A finished one is removed when all of it is in the table, so
whatever dies on the way, the next run does the rest, and what is in already is not inserted twice.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zlib import crc32

import polars as pl
from pydantic import TypeAdapter

from tasks.core.errors import first_line
from tasks.core.handover import ANSWERS
from tasks.core.journals import PART
from tasks.core.store import store
from tasks.core.tables import as_json, erase, insert_new, literal
from tasks.core.use_case import UseCase
from tasks.features.table import POLARS_ERRORS
from tasks.inference.prediction_log import PREDICTIONS

FINISHED = ".jsonl"
AT_ONCE = 100_000  # rows that are inserted in one step
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, *POLARS_ERRORS)
READ = {pl.Datetime: datetime.fromisoformat, pl.Date: date.fromisoformat, pl.Time: time.fromisoformat}
SPAN = TypeAdapter(timedelta)


def take_in_answers(use_case: UseCase, log_inputs: float = 1.0) -> int:
    """Insert what endpoints answered of a model; returns how many keys nobody had scored before.

    Args:
        use_case: Whose rows were asked for.
        log_inputs: The share of them whose inputs are kept.

    Raises:
        InputError: The store cannot be used.
    """
    inserted, waiting, done = 0, [], []
    files = store().list(f"{ANSWERS}/{use_case.model}")
    for name in (name for name in files if name.endswith((FINISHED, f"{FINISHED}{PART}"))):
        waiting += read_answers(use_case, name, log_inputs)
        done += [name] if name.endswith(FINISHED) else []
        if sum(rows.height for rows in waiting) >= AT_ONCE:
            inserted += insert_answers(waiting, done)
            waiting, done = [], []
    return inserted + insert_answers(waiting, done)


def insert_answers(answers: list[pl.DataFrame], done: list[str]) -> int:
    """Insert some answers, of several to a key the first, then remove the files that are in whole."""
    inserted = insert_new(PREDICTIONS, pl.concat(answers).sort("made_at", maintain_order=True)) if answers else 0
    for name in done:
        store().remove(name)
    return inserted


def read_answers(use_case: UseCase, name: str, log_inputs: float) -> list[pl.DataFrame]:
    """The whole lines of a file as rows of the table; what cannot be read is kept beside, and told."""
    whole, _, _ = (store().find(name) or b"").rpartition(b"\n")  # a torn last line was never answered
    lines = whole.splitlines()
    try:
        return [to_predictions(use_case, lines, log_inputs)] if lines else []
    except UNREADABLE:
        return read_one_by_one(use_case, name, lines, log_inputs)


def read_one_by_one(use_case: UseCase, name: str, lines: list[bytes], log_inputs: float) -> list[pl.DataFrame]:
    """The lines of a file that can be read."""
    found, damaged, why = [], [], ""
    for line in lines:
        try:
            found.append(to_predictions(use_case, [line], log_inputs))
        except UNREADABLE as error:
            damaged.append(line)
            why = first_line(error)[:200]
    if damaged and name.endswith(FINISHED):
        store().put(f"{name}.damaged", b"\n".join(damaged))
        print(f"{len(damaged)} lines of {name} cannot be read ({why}): they are kept as {name}.damaged")
    return found


def to_predictions(use_case: UseCase, lines: list[bytes], log_inputs: float) -> pl.DataFrame:
    """Answered requests as rows of the table."""
    answers = [json.loads(line) for line in lines]
    for answer in answers:
        if len(answer["rows"]) != len(answer["scores"]) or answer["model"] != use_case.model:
            raise ValueError(f"it is no answer of {use_case.model}")
    rows = read_rows(use_case, [row for answer in answers for row in answer["rows"]])
    key = as_json(rows.select(use_case.key))
    kept = pl.Series([crc32(text.encode()) < log_inputs * 2**32 for text in key], dtype=pl.Boolean)

    def spread(name: str, read: Callable[[Any], Any] = str) -> pl.Series:
        values = [read(answer[name]) for answer in answers for _ in answer["scores"]]
        return pl.Series(name, values, dtype=PREDICTIONS.schema[name])

    before = [score for answer in answers for score in answer["before"] or [None] * len(answer["scores"])]
    return rows.select(
        model=pl.lit(use_case.model),
        day=use_case.event_time.dt.date(),
        key=key,
        event_time=use_case.event_time,
        score=pl.Series([score for answer in answers for score in answer["scores"]], dtype=pl.Float64),
        predecessor_score=pl.Series(before, dtype=pl.Float64),
        version=spread("version"),
        data_version=spread("data_version"),
        as_of=spread("as_of", datetime.fromisoformat),
        made_at=spread("made_at", datetime.fromisoformat),
        request_id=spread("request_id"),
        inputs=pl.when(kept).then(as_json(rows)),
        context=spread("context", json.dumps),
    )


def read_rows(use_case: UseCase, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of JSON with the types of the contract."""
    kinds = {name: kind for name, kind in use_case.predicted.empty.schema.items() if name in rows[0]}
    special = {name: kind for name, kind in kinds.items() if kind.is_temporal() or kind.is_nested()}
    revived = [row | {name: revive(row[name], kind) for name, kind in special.items()} for row in rows]
    return pl.DataFrame(revived, schema=kinds, strict=False)


def revive(value: Any, kind: Any) -> Any:
    """A value that JSON holds as text, as the type of its column."""
    if value is None:
        return None
    if isinstance(kind, pl.List | pl.Array):
        return [revive(part, kind.inner) for part in value]
    if isinstance(kind, pl.Struct):
        return {field.name: revive(value.get(field.name), field.dtype) for field in kind.fields}
    if kind == pl.Duration:
        return SPAN.validate_python(value)
    read = next((read for of, read in READ.items() if kind == of), None)
    return read(value) if read else value


def forget_inputs(model: str, age: timedelta | None, now: datetime) -> None:
    """Erase the inputs of answers that are older; their scores stay."""
    if age is not None:
        old = f"model = {literal(model)} AND made_at < {literal(now - age)} AND inputs IS NOT NULL"
        erase(PREDICTIONS, ("inputs",), old)
