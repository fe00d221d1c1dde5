"""Sources that are read from a time on: the first time by windows, then from a lag before what was landed last."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

import polars as pl
from pydantic import BeforeValidator, model_validator

from tasks.core.errors import DataError, InputError, counted
from tasks.core.moments import POSSIBLE, parse_moment
from tasks.core.sections import Span, setting
from tasks.core.store import sha256
from tasks.core.tables import as_json
from tasks.data.conversion import Kind, UnfitError, bring, convert
from tasks.data.formats import Raw
from tasks.data.sources.bookmarks import mark_pulled, newest_number
from tasks.data.sources.source import Batch, Memory, Pulled
from tasks.features.table import TIME

LOOKED_AT = 1_000  # rows
CURSOR = "\0cursor"  # a column that no table has
Moment = Annotated[datetime, BeforeValidator(lambda given: parse_moment(str(given)))]


class Windowed(Pulled):
    """A kind of it is a class with `fetch` and `sample`."""

    cursor: str | None = setting(
        None,
        "a column of times that grows with each new or changed row, such as updated_at; null: all is read each time",
    )
    start: Moment | None = setting(None, "from which cursor on it is read, such as 2024-01-01; needed with a cursor")
    lag: Span = setting("1h", "so much is read again, for rows that are committed so long after their cursor")
    window: Span = setting("30d", "of the cursor, that is read and landed at once where much is new")

    @model_validator(mode="after")
    def _has_a_start(self) -> Self:
        if (self.cursor is None) != (self.start is None):
            raise ValueError("cursor and start need each other")
        return self

    @property
    def has_windows(self) -> bool:
        """Whether rows can be asked for up to a moment."""
        return True

    @abstractmethod
    def fetch(self, memory: Memory, since: datetime | None, until: datetime | None) -> Raw:
        """The rows whose cursor lies from since to before until, with the cursor; None is no bound.

        Raises:
            InputError: It cannot be read.
        """

    def skip(self, memory: Memory, since: datetime) -> datetime | None:
        """The first cursor from a time on, where that can be asked for; None if there is none."""
        return since

    def check_cursor(self, raw: Raw, memory: Memory) -> None:
        """Try what a first read would do.

        Raises:
            InputError: The cursor cannot be used.
        """
        if self.start:
            self._times(raw, memory)
            self.skip(memory, self.start)

    def read(self, memory: Memory) -> Iterator[Batch]:
        number, since = newest_number(memory.bookmarks), self._since(memory)
        states = newest_states(memory.recall(since), memory.table.key)
        for raw in self._fetch_windows(memory, since):
            convert(raw, memory.table, f"source {self.name}", memory.time_zone)  # refuses columns that do not fit
            for rows, moment in self._part(raw, memory):
                known = is_known(rows, memory.table.key, states)
                if not known.all():
                    number += 1
                    fresh = rows.filter(~known) if self.cursor else rows  # without a cursor the newest file has all
                    yield Batch(raw._replace(rows=fresh), mark_pulled(number, moment, digest_of(fresh)))

    def _since(self, memory: Memory) -> datetime | None:
        """The cursor from which on is read; None is all."""
        newest = memory.read_until
        return self.start and max(self.start, newest - self.lag if newest else self.start)

    def _fetch_windows(self, memory: Memory, since: datetime | None) -> Iterator[Raw]:
        """The rows of each window that has some; the last has no end, so that no row hangs on this machine's clock."""
        while since is None or (since := self.skip(memory, since)) is not None:
            memory.tell("looks for what is new")
            left = timedelta(0) if since is None or not self.has_windows else datetime.now(UTC) - since
            until = since + self.window if since is not None and left > self.window else None
            raw = self.fetch(memory, since, until)
            memory.tell(f"{counted(raw.rows.height, 'row')}{describe(since, until)}")
            if raw.rows.height:
                yield raw
            if until is None:
                return
            since = until

    def _part(self, raw: Raw, memory: Memory) -> Iterator[tuple[pl.DataFrame, datetime]]:
        """The newest state of each row, of rows until now and of those with a cursor to come; and the newest cursor."""
        now = datetime.now(UTC)
        if self.cursor is None:
            yield raw.rows, now
            return
        rows = raw.rows.with_columns(self._times(raw, memory).alias(CURSOR))
        time, key = pl.col(CURSOR), memory.table.key
        whole = pl.all_horizontal(pl.col(*key, CURSOR).is_not_null())
        rows = rows.filter((whole & (time < time.max().over(key))).not_())
        later = (time > now).fill_null(False)
        for part in (part for part in (rows.filter(~later), rows.filter(later)) if part.height):
            newest = part[CURSOR].max()
            yield part.drop(CURSOR), newest if isinstance(newest, datetime) else self._since(memory) or now

    def _times(self, raw: Raw, memory: Memory) -> pl.Series:
        """The cursor of each row, in UTC; null where it is no time."""
        assert self.cursor is not None
        if self.cursor not in raw.rows.columns:
            raise DataError(f"source {self.name} gives no column {self.cursor!r}, which is its cursor")
        given, value = raw.rows.schema[self.cursor], pl.col(self.cursor)
        if given == pl.Date:  # which the database compares as the midnight of its session's zone
            given, value = pl.Datetime("us"), value.cast(pl.Datetime("us"), strict=False)
        zone = memory.time_zone or ("UTC" if raw.rows.schema[self.cursor] == pl.Date else None)
        kind = Kind(given, TIME, self.cursor in raw.texts, True, zone)
        try:
            times = raw.rows.select(bring(value, kind).alias(CURSOR)).to_series()
            times = times.set(~times.is_between(*POSSIBLE), None)
        except UnfitError as why:
            raise DataError(f"source {self.name}: its cursor {self.cursor} {why}") from None
        if times.null_count() == len(times) and self.cursor in raw.texts:
            told = f"source {self.name}: its cursor {self.cursor} holds no times with a zone"
            raise InputError(f"{told}; look at cursor and ingest.time_zone")
        return times


def describe(first: datetime | None, end: datetime | None) -> str:
    return f" since {first:%Y-%m-%d %H:%M}{f' until {end:%Y-%m-%d %H:%M}' if end else ''}" if first else ""


def digest_of(rows: pl.DataFrame) -> str:
    """What tells a file from one that another machine lands under the same number."""
    return sha256(f"{rows.height} {''.join(as_json(rows.head(LOOKED_AT)))}".encode())


def newest_states(landed: Iterable[pl.DataFrame], key: list[str]) -> dict[str, str]:
    """The newest state of each row that was landed, by its key; both as JSON."""
    found: dict[str, str] = {}
    for rows in landed:
        found |= zip(keys_of(rows, key), as_json(rows), strict=True)
    return found


def is_known(rows: pl.DataFrame, key: list[str], states: Mapping[str, str]) -> pl.Series:
    """Whether each row was landed as it is."""
    if not states:
        return pl.repeat(False, rows.height, eager=True)
    pairs = zip(keys_of(rows, key), as_json(rows), strict=True)
    return pl.Series([states.get(one) == row for one, row in pairs], dtype=pl.Boolean)


def keys_of(rows: pl.DataFrame, key: list[str]) -> pl.Series:
    """What tells rows apart: their keys, or all of a row whose key is not whole."""
    whole = rows.select(pl.all_horizontal(pl.col(key).is_not_null())).to_series()
    return rows.select(pl.when(whole).then(as_json(rows.select(key))).otherwise(as_json(rows))).to_series()
