"""Reading sources: each in a thread of its own, so that none waits for another, and what is new lands."""

import time
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from typing import Literal, NamedTuple

import polars as pl

from tasks.core.errors import InputError, counted, first_line
from tasks.core.params import Params
from tasks.data.landing import LandingPlace
from tasks.data.sources.declared import open_sources
from tasks.data.sources.landed import Landed
from tasks.data.sources.readings import note_reading
from tasks.data.sources.source import Memory, Pulled
from tasks.features.table import Tables

TELL = 10.0  # seconds between two lines of progress of a source


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

    def __init__(self, sources: dict[str, Pulled], params: Params, tables: Tables, ledger: pl.DataFrame) -> None:
        self.params, self.tables, self.ledger = params, tables, ledger
        self.limit = params.data.timeout.total_seconds()
        self.signs: Queue[Sign] = Queue()
        self.alive = dict.fromkeys(sources, time.monotonic())
        self.told = dict.fromkeys(sources, time.monotonic())
        for source in sources.values():
            Thread(target=self._read, args=(source,), daemon=True).start()

    def wait(self) -> dict[str, str]:
        """Wait for the end of all of them, or so long that what landed meanwhile should be taken in.

        Returns:
            A sentence for each that ended in trouble.
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
        return troubles

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
        if sign.kind == "ended":
            note_reading(sign.name)
        elif sign.kind == "failed":
            troubles[sign.name] = sign.text
        elif sign.text and sign.at - self.told[sign.name] > TELL:
            self.told[sign.name] = sign.at
            print(f"source {sign.name}: {sign.text}")

    def _read(self, source: Pulled) -> None:
        """Land what is new at a source; whatever happens is told by a sign."""
        name, rows = source.name, 0
        try:
            landed = Landed(LandingPlace(self.params.ingest.landing), source.table, name, self.ledger)
            memory = Memory(
                self.tables[source.table],
                self.params.ingest.time_zone,
                landed.bookmarks,
                landed.read_until,
                landed.recall,
                lambda text: self._tell(name, "works", text),
            )
            for batch in source.read(memory):
                if name not in self.alive:  # it was given up: by now these rows may be old
                    return
                landed.add(*batch)
                rows += batch.raw.rows.height
                self._tell(name, "landed", f"{counted(rows, 'row')} landed")
            self._tell(name, "ended")
        except InputError as error:
            self._tell(name, "failed", str(error))
        except BaseException as error:  # a fault of a library must not look like a source that hangs
            self._tell(name, "failed", f"source {name}: {type(error).__name__}: {first_line(error)}")

    def _tell(self, name: str, kind: Literal["works", "landed", "ended", "failed"], text: str = "") -> None:
        self.signs.put(Sign(name, kind, text, time.monotonic()))


class Round(NamedTuple):
    """What landed so far is to be taken in."""

    troubles: list[str]  # a sentence for each source that was given up since the last round
    unread: set[str]  # tables of sources that are still read


def read_sources(params: Params, tables: Tables, ledger: pl.DataFrame) -> Iterator[Round]:
    """Read all sources that are pulled; what is new lands.

    Args:
        params: The settings; `sources`, `ingest` and `data` count here.
        tables: As the contract declares them.
        ledger: Of the current version.

    Yields:
        At the end, and before, whenever what landed should be taken in while others are still read.
    """
    declared = open_sources(params, tables)
    pulled = {name: source for name, source in declared.sources.items() if isinstance(source, Pulled)}
    reads, troubles = Reads(pulled, params, tables, ledger), declared.troubles
    while True:
        troubles = troubles | reads.wait()
        for name, sentence in troubles.items():
            note_reading(name, sentence)
        yield Round(list(troubles.values()), {pulled[name].table for name in reads.alive})
        troubles = {}
        if not reads.alive:
            return
