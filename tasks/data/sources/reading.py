"""Reading sources: each in a thread of its own, so that none waits for another, and what is new lands."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Empty, Queue
from threading import Thread
from typing import Literal, NamedTuple

import polars as pl
from pydantic import AwareDatetime, BaseModel, ValidationError

from tasks.core.errors import InputError, first_line
from tasks.core.params import Params
from tasks.core.store import store
from tasks.data.landing import LandingPlace
from tasks.data.sources.declared import open_sources
from tasks.data.sources.files import Files
from tasks.data.sources.landed import Landed
from tasks.data.sources.source import Memory, Source
from tasks.data.sources.stream import Stream
from tasks.features.table import Tables

TELL = 10.0  # seconds between two lines of progress of a source
FOLDER = "sources"  # of the store


class Sign(NamedTuple):
    """A sign of life of a source that is read."""

    name: str
    kind: Literal["works", "landed", "ended", "failed"]
    text: str = ""
    at: float = 0.0


class Reads:
    """The sources that are read.

    Args:
        sources: By name.
        params: The settings; `ingest` and `data` count here.
        tables: As the contract declares them.
        ledger: Of the current version.
    """

    def __init__(self, sources: dict[str, Source], params: Params, tables: Tables, ledger: pl.DataFrame) -> None:
        self.params, self.tables, self.ledger = params, tables, ledger
        self.limit = params.data.timeout.total_seconds()
        self.signs: Queue[Sign] = Queue()
        self.alive = dict.fromkeys(sources, time.monotonic())
        self.told = dict.fromkeys(sources, time.monotonic())
        for source in sources.values():
            Thread(target=self._read, args=(source,), daemon=True).start()

    def wait(self) -> tuple[bool, dict[str, str]]:
        """Wait for the end of all of them, or so long that what landed meanwhile should be taken in.

        Returns:
            Whether one is still at work, and a sentence for each that ended in trouble.
        """
        landed, begun, troubles = False, time.monotonic(), {}
        while self.alive and not (landed and time.monotonic() - begun > self.limit):
            for sign in self._collect():
                if sign.name in self.alive:
                    landed |= sign.kind == "landed"
                    self._note(sign, troubles)
            for name in [name for name, at in self.alive.items() if time.monotonic() - at > self.limit]:
                self.alive.pop(name)
                troubles[name] = (
                    f"source {name} gave no sign of life for data.timeout ({self.limit:g} s): look at it, or raise it"
                )
        return bool(self.alive), troubles

    def _collect(self) -> Iterator[Sign]:
        """The signs that came, after a moment if none did."""
        try:
            yield self.signs.get(timeout=0.5)
            while True:
                yield self.signs.get_nowait()
        except Empty:
            return

    def _note(self, sign: Sign, troubles: dict[str, str]) -> None:
        self.alive[sign.name] = sign.at
        if sign.kind in ("ended", "failed"):
            self.alive.pop(sign.name)
        if sign.kind == "failed":
            troubles[sign.name] = sign.text
        elif sign.text and sign.at - self.told[sign.name] > TELL:
            self.told[sign.name] = sign.at
            print(f"source {sign.name}: {sign.text}")

    def _read(self, source: Source) -> None:
        """Land what is new at a source; whatever happens is told by a sign."""
        name, rows = source.name, 0
        try:
            landed = Landed(LandingPlace(self.params.ingest.landing), source.table, name, self.ledger)
            memory = recall(source, landed, self.params, self.tables, self.signs)
            for batch in source.read(memory):
                landed.add(*batch)
                rows += batch.raw.rows.height
                self._tell(name, "landed", f"{rows:,} rows landed")
            note_read(name, rows)
            self._tell(name, "ended")
        except InputError as error:
            self._tell(name, "failed", str(error))
        except BaseException as error:  # a fault of a library must not look like a source that hangs
            self._tell(name, "failed", f"source {name}: {type(error).__name__}: {first_line(error)}")

    def _tell(self, name: str, kind: Literal["works", "landed", "ended", "failed"], text: str = "") -> None:
        self.signs.put(Sign(name, kind, text, time.monotonic()))


def recall(source: Source, landed: Landed, params: Params, tables: Tables, signs: "Queue[Sign]") -> Memory:
    """What a source knows when it is read."""

    def tell(text: str) -> None:
        signs.put(Sign(source.name, "works", text, time.monotonic()))

    return Memory(landed.marks, tables[source.table], params.ingest.time_zone, tell)


def read_sources(params: Params, tables: Tables, ledger: pl.DataFrame) -> Iterator[list[str]]:
    """Read all sources but streams; what is new lands.

    Args:
        params: The settings; `sources`, `ingest` and `data` count here.
        tables: As the contract declares them.
        ledger: Of the current version.

    Yields:
        A sentence for each source in trouble: at the end, and before, whenever what landed should be taken in while
        others are still read.
    """
    declared = open_sources(params, tables)
    pulled = {name: source for name, source in declared.sources.items() if not isinstance(source, Files | Stream)}
    reads, troubles, at_work = Reads(pulled, params, tables, ledger), declared.troubles, True
    while at_work:
        at_work, new = reads.wait()
        for name, sentence in new.items():
            note_trouble(name, sentence)
        yield [*troubles.values(), *new.values()]
        troubles = {}


class Reading(BaseModel):
    """How a source was read last; it is shown, nothing hangs on it."""

    read_at: AwareDatetime
    rows: int = 0
    trouble: str = ""


def note_read(name: str, rows: int) -> None:
    """Note that a source was read."""
    store().put(f"{FOLDER}/{name}.json", Reading(read_at=datetime.now(UTC), rows=rows).model_dump_json().encode())


def note_trouble(name: str, sentence: str) -> None:
    """Note that a source could not be read."""
    noted = Reading(read_at=datetime.now(UTC), trouble=sentence)
    store().put(f"{FOLDER}/{name}.json", noted.model_dump_json().encode())


def find_reading(name: str) -> Reading | None:
    """How a source was read last; None if it never was."""
    try:
        content = store().find(f"{FOLDER}/{name}.json")
        return Reading.model_validate_json(content) if content else None
    except ValidationError:
        return None
