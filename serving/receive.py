"""Rows of tables that are sent: on the disk before the answer, and in the landing place within a minute."""

from collections.abc import Callable
from pathlib import Path

from fsspec.core import url_to_fs
from pydantic_core import to_json

from serving.journal import Journal
from serving.metrics import Metrics
from serving.refusal import refuse
from serving.rows import Row, RowSchema
from tasks.core.handover import SENT
from tasks.core.params import Params, Serve
from tasks.core.use_case import load_tables
from tasks.core.workspace import workspace


class Receiver:
    """What takes in rows of one table; ingest takes in the files, a row that is sent again counts once.

    Args:
        name: Of the table.
        schema: Of its rows.
        limits: Of a request.
        journal: Where they land.
        metrics: What is counted.
    """

    def __init__(self, name: str, schema: RowSchema, limits: Serve, journal: Journal, metrics: Metrics) -> None:
        self.name, self.schema, self.limits, self.journal, self.metrics = name, schema, limits, journal, metrics
        self._held: dict[Row, bytes] = {}  # the rows of the file that is written to, by key

    async def take(self, body: bytes) -> int:
        """Keep the rows of a body; returns how many they are.

        Raises:
            RefusedError: One is not as the contract declares it, or they cannot be written.
        """
        rows = self.schema.read(body, self.limits)
        self.schema.require_rules(rows)
        self.schema.require_possible(rows)
        lines = {self.schema.key_of(row): to_line(self.schema, row) for row in rows}
        try:
            self._append(lines)
            await self.journal.sync()
        except OSError as error:
            raise refuse(503, "log", f"the rows cannot be kept: {error.strerror}") from None
        self.metrics.received.labels(self.name).inc(len(rows))
        return len(rows)

    def _append(self, lines: dict[Row, bytes]) -> None:
        """Write the rows that the file does not hold; it holds a key once: a correction begins another file."""
        held = self._held if self.journal.is_open else {}
        new = {key: line for key, line in lines.items() if held.get(key) != line}
        if new.keys() & held.keys():
            self.journal.finish()
            held = {}
        if new:
            self.journal.append(b"".join(new.values()))
        self._held = held | new


def to_line(schema: RowSchema, row: Row) -> bytes:
    """A row as a line of JSON."""
    return to_json(dict(zip(schema.columns, row, strict=True))) + b"\n"


def open_receivers(metrics: Metrics) -> dict[str, Receiver]:
    """One for each table of the contract."""
    params = Params.load("")
    return {
        name: Receiver(name, RowSchema(name, table), params.serve, open_landing(name, params.ingest.landing), metrics)
        for name, table in load_tables().items()
    }


def open_landing(table: str, source: str) -> Journal:
    """Where rows of a table land: in its folder, or on this disk until they are shipped to it."""
    if "://" not in source:
        return Journal(workspace().root / source / table, fsync=True, prefix=SENT)
    return Journal(workspace().received / table, fsync=True, ship=ship_to(f"{source}/{table}"), prefix=SENT)


def ship_to(folder: str) -> Callable[[str, bytes], None]:
    """What puts a file into a folder of an object store."""

    def ship(name: str, content: bytes) -> None:
        files, root = url_to_fs(folder)
        files.pipe_file(f"{root}/{Path(name).name}", content)

    return ship
