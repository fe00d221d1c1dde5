"""Messages of a stream: rows of the contract's types, and those that are none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl
from pydantic_core import from_json, to_json

from tasks.core.errors import DataError, first_line
from tasks.core.store import sha256
from tasks.data.conversion import ColumnError, convert
from tasks.data.formats import Raw, read_json
from tasks.data.merge import fold
from tasks.data.quarantine import insert
from tasks.data.sources.source import fill_optional
from tasks.data.take_in import find_lost
from tasks.data.validation import POSITION
from tasks.features.table import POLARS_ERRORS, Table


class Message(NamedTuple):
    """What is read of a message."""

    offset: int
    value: bytes
    sent: int  # milliseconds since 1970


class Poison(NamedTuple):
    """A message that is no row."""

    message: Message
    reason: str


class Parted(NamedTuple):
    """The rows of some messages, and the others."""

    rows: pl.DataFrame
    poison: list[Poison]


def part_messages(
    messages: Sequence[Message], table: Table, time_zone: str | None, optional: Sequence[str] = ()
) -> Parted:
    """The rows of messages in the types of the contract; of one key the last one counts, but a null erases nothing.

    Args:
        messages: In the order of their offsets.
        table: As the contract declares it.
        time_zone: Of times that have none.
        optional: Columns that a message may leave out.
    """
    needed, good, poison = frozenset(table.columns) - set(optional), [], []
    for message in messages:
        _, fault = find_fault(message.value, needed)
        if fault:
            poison.append(Poison(message, fault))
        else:
            good.append(message)
    if not good:
        return Parted(table.schema.create_empty(), poison)
    try:
        frame = to_frame(good, list(table.columns))
        raw = fill_optional(Raw(frame, frozenset(frame.columns)), optional)
        converted = convert(raw, table, "a message", time_zone)
    except ColumnError as error:
        poison += [Poison(message, str(error)) for message in good]
        return Parted(table.schema.create_empty(), poison)
    except (DataError, ValueError, *POLARS_ERRORS) as error:
        parted = part_halves(good, table, time_zone, optional, first_line(error))
        return parted._replace(poison=poison + parted.poison)
    lost = find_lost(converted.lost)
    poison += [Poison(good[number], ", ".join(rules)) for number, rules in lost.select(POSITION, "broken_rules").rows()]
    rows = converted.rows.with_row_index(POSITION).join(lost, on=POSITION, how="anti", maintain_order="left")
    return Parted(fold(rows.drop(POSITION), table), poison)


def part_halves(good: list[Message], table: Table, time_zone: str | None, optional: Sequence[str], why: str) -> Parted:
    """The same in two halves, until what cannot be read stands alone."""
    if len(good) == 1:
        return Parted(table.schema.create_empty(), [Poison(good[0], why)])
    middle = len(good) // 2
    one, other = (part_messages(half, table, time_zone, optional) for half in (good[:middle], good[middle:]))
    return Parted(fold(pl.concat([one.rows, other.rows]), table), [*one.poison, *other.poison])


def find_fault(value: bytes, columns: frozenset[str]) -> tuple[dict[str, Any], str | None]:
    """The object of a message, and why it is no row, if it is none."""
    try:
        found = from_json(value)
    except ValueError:
        return {}, "it is no JSON" if value else "it is empty, as one that tells of a deletion is"
    if not isinstance(found, dict):
        return {}, "it is no JSON object"
    if lacking := columns - found.keys():
        return found, f"it lacks {', '.join(sorted(lacking))}"
    return found, None


def to_frame(messages: Sequence[Message], columns: list[str]) -> pl.DataFrame:
    """The values of messages as text."""
    return read_json(b"\n".join(message.value.replace(b"\n", b" ") for message in messages), columns)


def quarantine_messages(table: str, topic: str, partition: int, poison: Sequence[Poison]) -> None:
    """Keep messages that are no rows, each once however often it is read, under TOPIC/PARTITION/OFFSET."""
    if poison:
        insert(
            pl.DataFrame([to_entry(table, f"{topic}/{partition}/{found.message.offset}", found) for found in poison])
        )


def to_entry(table: str, name: str, poison: Poison) -> dict[str, Any]:
    message = poison.message
    found, _ = find_fault(message.value, frozenset())
    row = found or {"message": message.value.decode(errors="replace")}
    return {
        "table": table,
        "digest": sha256(name.encode() + message.value),
        "position": 0,
        "file": name,
        "reason": poison.reason,
        "row": to_json(row).decode(),
        "arrived_at": min(datetime.fromtimestamp(message.sent / 1000, UTC), datetime.now(UTC)),
    }
