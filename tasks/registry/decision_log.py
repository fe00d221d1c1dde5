"""The decision log of a model: numbered entries, each chained to the one before, in the table `decisions`.

Whoever decides reads the log, judges by it and inserts entry n + 1 if nobody did; was somebody first, he judges again.
So a decision is one atomic step, on one machine or many, without a lock, a server or a clock.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import polars as pl
from pydantic import Field

from tasks.core.errors import InputError, StoreError, first_line
from tasks.core.run_settings import split_event
from tasks.core.store import store
from tasks.core.tables import Table, compact, insert_new, literal, read_rows
from tasks.registry.entries import Entry, parse_entry
from tasks.registry.state import Head, Log

DECISIONS = Table(
    "decisions",
    {
        "model": pl.String,
        "number": pl.Int64,
        "kind": pl.String,
        "made_at": pl.Datetime("us", "UTC"),
        "entry": pl.String,  # as JSON
        "before": pl.String,  # digest of the entry before
    },
    key=("model", "number"),
    partition=("model",),
)
COMPACT_EVERY = 100

EventId = Annotated[str, Field(max_length=200, description="the entry that an event names: model.NAME.ENTRY")]
Made = TypeVar("Made", bound=Entry)


def read_entries(model: str) -> pl.DataFrame:
    """The rows of a model, in order.

    Raises:
        InputError: The store is that of an earlier layout, has lost its log, or cannot be read.
    """
    rows = read_rows(DECISIONS, f"model = {literal(model)}").sort("number")
    if rows.is_empty():
        refuse_lost_log()
    return rows


def refuse_lost_log() -> None:
    """A store that is no empty one is not begun anew: its log was lost, or it is that of an earlier layout."""
    folder = Path(store().address)
    table = folder / DECISIONS.name
    try:
        names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()  # none of a store elsewhere
        lost = "bundles" in names or any(table.glob("model=*"))
        begun = any((table / "_delta_log").glob("*"))
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {first_line(error)}; look at its permissions") from None
    if names & {"records", "mlflow.db"}:
        raise InputError(
            f"{folder} holds records of an earlier version of this code, which this one does not read: to keep them, "
            f"move {folder} and state/mlflow.db elsewhere, then train anew; nothing was deleted"
        )
    if lost and not begun:
        raise StoreError(f"{table} has lost its entries: restore it from a backup; to begin anew, move {folder} away")


def read_log(model: str) -> Log:
    """The log of a model."""
    return fold(model, read_entries(model))


def fold(model: str, rows: pl.DataFrame) -> Log:
    """What follows from the rows.

    Raises:
        InputError: One is missing, cannot be read or does not follow from those before it.
    """
    if rows["number"].to_list() != list(range(1, rows.height + 1)):
        raise InputError(f"entries of the decision log of {model} are missing or doubled: restore a backup")
    entries = [parse_entry(*row) for row in rows.select("number", "entry").iter_rows()]
    head = Head(rows.height, digest(rows.row(-1, named=True))) if entries else Head()
    log = Log(model, head=head)
    for entry in entries:
        if objection := log.objection(entry):
            raise InputError(f"entry {entry.number} of the log does not follow ({objection}): restore a backup")
        log.add(entry)
    return log


def decide(model: str, judge: Callable[[Log], Made | None]) -> Made | None:
    """Record what `judge` makes of the log; it judges again as long as somebody else was first.

    Args:
        model: Whose log.
        judge: Returns the next entry, or None to record nothing; what it raises ends the decision.

    Returns:
        The entry as recorded.
    """
    while True:
        log = read_log(model)
        entry = judge(log)
        if entry is None:
            return None
        if objection := log.objection(entry):
            raise objection
        entry = entry.model_copy(update={"number": log.head.number + 1, "made_at": datetime.now(UTC)})
        text = json.dumps(entry.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        row = {"model": model, "number": entry.number, "kind": entry.kind, "made_at": entry.made_at, "entry": text}
        row["before"] = log.head.digest
        if insert_new(DECISIONS, pl.DataFrame([row], schema=DECISIONS.schema)):
            if entry.number % COMPACT_EVERY == 0:
                compact(DECISIONS)
            return entry


def record(model: str, entry: Made) -> Made:
    """Record an entry that needs no judging."""
    made = decide(model, lambda log: entry)
    assert made is not None
    return made


def digest(row: dict[str, Any]) -> str:
    """The sha256 of an entry with everything that is stored of it."""
    parts = [row[name].isoformat() if name == "made_at" else row[name] for name in DECISIONS.schema]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def resource_of(model: str, entry: Entry) -> str:
    """The id by which an event names an entry."""
    return f"model.{model}.{entry.number}"


def find_entry(log: Log, resource: str, kind: type[Made]) -> Made | None:
    """The entry of a kind that an event names; None if the log holds no such entry."""
    name, number = split_event(resource)
    if name != log.model or not number.isdecimal() or not 0 < int(number) <= len(log.entries):
        return None
    entry = log.entries[int(number) - 1]
    return entry if isinstance(entry, kind) else None
