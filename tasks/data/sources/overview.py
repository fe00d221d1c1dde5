"""How each source is: when it was read, how far what it has is landed and in the data, and what is wrong."""

from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import NamedTuple

import polars as pl

from tasks.core.errors import InputError, first_line
from tasks.core.params import Params
from tasks.data.landing import LandingPlace
from tasks.data.ledger import SCHEMA, recall_ledger
from tasks.data.sources.bookmarks import find_bookmark, newest_moment, next_offsets
from tasks.data.sources.declared import open_sources
from tasks.data.sources.files import Files
from tasks.data.sources.landed import Landed
from tasks.data.sources.readings import find_reading
from tasks.data.sources.source import Memory, Source
from tasks.data.sources.stream import Stream
from tasks.features.table import POLARS_ERRORS, Tables

PATIENCE = 15.0  # seconds in which a source must answer


class SourceState(NamedTuple):
    """How a source is."""

    name: str
    kind: str
    table: str
    read_at: datetime | None
    rows: int  # of its files in the current version
    landed_until: datetime | None  # the newest cursor, or time of a message
    usable_until: datetime | None  # the same of what is in the current version
    behind: str  # messages of a stream that have not landed
    trouble: str

    def tell_usable(self) -> str:
        """How old the newest row is that runs and endpoints can use."""
        return f"usable until {tell_age(self.usable_until)} ago" if self.usable_until else "not in the data yet"


def look_at_sources(params: Params, tables: Tables, ask: bool = True) -> list[SourceState]:
    """All declared sources, all at once.

    Args:
        params: The settings; `sources` and `ingest` count here.
        tables: As the contract declares them.
        ask: Whether each is asked by itself; else only what was landed and noted is looked at.
    """
    declared, ledger = open_sources(params, tables), pl.DataFrame(schema=SCHEMA)
    with suppress(InputError):  # the current version is not on this machine yet
        ledger = recall_ledger() if params.sources else ledger
    answers: Queue[SourceState] = Queue()
    for source in declared.sources.values():
        args = (source, params, tables, ledger, answers, ask)
        Thread(target=look_at, args=args, daemon=True).start()
    found, left, end = {}, (1 + ask) * len(declared.sources), monotonic() + PATIENCE
    while left and monotonic() < end:
        with suppress(Empty):
            state = answers.get(timeout=0.5)
            found[state.name], left = state, left - 1
    lost = dict.fromkeys(declared.sources, f"did not answer within {PATIENCE:g} s") | declared.troubles
    return [found.get(name) or hopeless(name, params, lost[name]) for name in params.sources]


def hopeless(name: str, params: Params, trouble: str) -> SourceState:
    """A source that cannot be used, or hangs."""
    kind, table = (str(params.sources[name].get(part, "")) for part in ("kind", "table"))
    return SourceState(name, kind, table, None, 0, None, None, "", trouble)


def look_at(
    source: Source, params: Params, tables: Tables, ledger: pl.DataFrame, answers: "Queue[SourceState]", ask: bool
) -> None:
    """How one source is."""
    beginning = source.beginning if isinstance(source, Files) else f"{source.table}/{source.name}-"
    mine = ledger.filter(pl.col("file").str.starts_with(beginning))
    state = SourceState(source.name, source.kind, source.table, None, int(mine["rows"].sum()), None, None, "", "")
    try:
        if reading := find_reading(source.name):
            state = state._replace(read_at=reading.read_at, trouble=reading.trouble)
        usable = [bookmark for name in mine["file"] if (bookmark := find_bookmark(name))]
        landed: list[str] = []
        if isinstance(source, Files):
            state = state._replace(usable_until=max(mine["modified"].drop_nulls(), default=None))
        else:
            landed = Landed(LandingPlace(params.ingest.landing), source.table, source.name, mine).bookmarks
            state = state._replace(landed_until=newest_moment(landed), usable_until=newest_moment(usable))
        if ask:
            answers.put(state._replace(trouble=f"did not answer within {PATIENCE:g} s"))  # until it does
            state = state._replace(
                behind=ask_source(source, Memory(tables[source.table], params.ingest.time_zone), landed)
            )
        answers.put(state)
    except (Exception, *POLARS_ERRORS) as error:  # of a library, too
        answers.put(state._replace(trouble=str(error) if isinstance(error, InputError) else first_line(error)))


def ask_source(source: Source, memory: Memory, landed: list[str]) -> str:
    """Ask a source for a row, or a stream how many messages have not landed; returns these, "" where there are none.

    Raises:
        InputError: It does not answer.
    """
    if isinstance(source, Stream):
        return f"{source.count_behind(next_offsets(landed, source.topic)):,} messages"
    source.sample(1, memory)
    return ""


def tell_age(moment: datetime | None) -> str:
    """How long ago a moment was."""
    if moment is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"
