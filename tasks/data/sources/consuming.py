"""Consuming streams: each in a thread of its own, for as long as the process lives."""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, Queue
from threading import Event, Thread

from tasks.core.errors import InputError, first_line
from tasks.core.events import announce
from tasks.core.params import Params
from tasks.core.store import sha256
from tasks.data.landing import LandingPlace
from tasks.data.ledger import recall_ledger
from tasks.data.sources.consumer import LostError, StreamConsumer
from tasks.data.sources.declared import open_source, open_sources
from tasks.data.sources.landed import Landed
from tasks.data.sources.readings import note_reading
from tasks.data.sources.source import Memory
from tasks.data.sources.stream import Stream
from tasks.features.table import POLARS_ERRORS, Tables

AGAIN = 15.0  # seconds until a broker in trouble is asked again
NOTE = 30.0  # seconds between two notes of how far a stream is read


class Consuming:
    """Streams that are consumed.

    Args:
        streams: Those that are.
        params: The settings; `ingest` counts here.
        tables: As the contract declares them.
        skip_lost: Go on after messages that the broker has dropped.
        once: End when all that is there has landed.
    """

    def __init__(self, streams: list[Stream], params: Params, tables: Tables, skip_lost: bool, once: bool) -> None:
        self.params, self.tables, self.skip_lost, self.once = params, tables, skip_lost, once
        self.lines: Queue[str] = Queue()
        self.stopping = Event()
        self.troubles: list[str] = []  # of streams that are consumed no more
        self._consumers: dict[str, StreamConsumer] = {}
        self._rows = dict.fromkeys((stream.name for stream in streams), 0)  # that consumers landed which are gone
        self._noted = time.monotonic()
        self.threads = [Thread(target=self._consume, args=(stream,), daemon=True) for stream in streams]
        for thread in self.threads:
            thread.start()

    @property
    def rows(self) -> dict[str, int]:
        """How many rows of each stream were landed."""
        consumers = dict(self._consumers)
        return {name: gone + (consumers[name].rows if name in consumers else 0) for name, gone in self._rows.items()}

    def wait(self, span: timedelta) -> bool:
        """Print what happens for some time; returns whether a stream is still consumed."""
        end = time.monotonic() + span.total_seconds()
        while time.monotonic() < end and any(thread.is_alive() for thread in self.threads):
            self.print_lines(0.5)
            if time.monotonic() - self._noted > NOTE:
                self._note()
        self.print_lines(0.0)
        return any(thread.is_alive() for thread in self.threads)

    def print_lines(self, patience: float) -> None:
        """Print the lines that came, after a moment if none did."""
        with suppress(Empty):
            print(self.lines.get(timeout=patience) if patience else self.lines.get_nowait())
            while True:
                print(self.lines.get_nowait())

    def stop(self) -> None:
        """Land what is held, and end."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.print_lines(0.0)

    def _consume(self, stream: Stream) -> None:
        """Consume one stream until it is told to stop; a broker in trouble is asked again."""
        while True:
            trouble, final = self._consume_until_trouble(stream)
            note_reading(stream.name, trouble)
            if not trouble:
                return
            if final or self.once or self.stopping.is_set():
                self.lines.put(trouble)
                self.troubles.append(trouble)
                announce("data.rejected", "data.landing", reason=trouble)
                return
            self.lines.put(f"{trouble}; asked again in {AGAIN:g} s")
            self.stopping.wait(AGAIN)

    def _consume_until_trouble(self, stream: Stream) -> tuple[str, bool]:
        """Consume one stream; returns what ended it, if anything did, and whether to leave it at that."""
        try:
            consumer = self._consumers[stream.name] = self._open(stream)
            consumer.run(self.stopping)
        except InputError as error:
            return str(error), isinstance(error, LostError)
        except (Exception, *POLARS_ERRORS) as error:  # of a library
            return f"source {stream.name}: {type(error).__name__}: {first_line(error)}", True
        finally:
            if consumer := self._consumers.pop(stream.name, None):
                self._rows[stream.name] += consumer.rows
        return "", True

    def _open(self, stream: Stream) -> StreamConsumer:
        memory = Memory(self.tables[stream.table], self.params.ingest.time_zone, tell=self.lines.put)
        place = LandingPlace(self.params.ingest.landing)
        group = f"ml-{stream.name}-{sha256(place.address.encode())[:8]}"

        def find_landed() -> Landed:
            return Landed(place, stream.table, stream.name, recall_ledger())

        return StreamConsumer(stream, memory, group, find_landed, self.skip_lost, self.once)

    def _note(self) -> None:
        """Note how each stream is."""
        self._noted = time.monotonic()
        for name, consumer in dict(self._consumers).items():
            note_reading(name, consumer.trouble)


@contextmanager
def consuming(params: Params, tables: Tables, name: str | None, skip_lost: bool, once: bool) -> Generator[Consuming]:
    """All streams, or one of them, while they are consumed.

    Args:
        params: The settings; `sources` and `ingest` count here.
        tables: As the contract declares them.
        name: Of the only one.
        skip_lost: Go on after messages that the broker has dropped.
        once: End when all that is there has landed.

    Raises:
        InputError: There is none.
    """
    chosen = choose_streams(params, tables, name)
    for stream in chosen:
        print(
            f"{stream.name}: topic {stream.topic} at {stream.servers}, landed every {stream.land.total_seconds():g} s"
        )
    streams = Consuming(chosen, params, tables, skip_lost, once)
    try:
        yield streams
    finally:
        streams.stop()


def choose_streams(params: Params, tables: Tables, name: str | None) -> list[Stream]:
    """The streams to consume; what hinders one is printed, if another can be.

    Raises:
        InputError: There is none.
    """
    if name is not None:
        source = open_source(name, params, tables)
        if not isinstance(source, Stream):
            raise InputError(f"source {name} is of kind {source.kind}: `ml ingest` reads it")
        return [source]
    declared = open_sources(params, tables)
    streams = [source for source in declared.sources.values() if isinstance(source, Stream)]
    hindered = [told for name, told in declared.troubles.items() if params.sources[name].get("kind") == "stream"]
    if not streams:
        none = "there is no stream to consume: declare one under `sources` of params.yaml, docs/how-to/sources.md"
        raise InputError("; ".join(hindered) or none)
    for sentence in hindered:
        print(sentence)
    return streams
