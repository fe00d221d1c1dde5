"""What a source is: rows of one table from elsewhere."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from tasks.core.sections import Section, setting
from tasks.data.formats import Raw
from tasks.features.table import Table


class Batch(NamedTuple):
    """Rows that are landed as one file."""

    raw: Raw
    bookmark: str  # in the file's name: how far the source was read


class Memory(NamedTuple):
    """What a source knows when it is read."""

    table: Table  # that its rows are of
    time_zone: str | None  # of times that have none
    bookmarks: Sequence[str] = ()  # of the files that it landed
    read_until: datetime | None = None  # the newest cursor of those files, of times that were not to come
    recall: Callable[[datetime | None], Iterable[pl.DataFrame]] = lambda since: ()  # rows that it landed since a moment
    tell: Callable[[str], None] = lambda text: None  # progress of long work; also a sign that the source does not hang


class Source(Section):
    """Rows of one table from elsewhere."""

    name: str
    kind: str
    table: str = setting(..., "of the contract, whose rows it gives")

    @abstractmethod
    def sample(self, count: int, memory: Memory) -> Raw:
        """Some rows, with all columns that they have.

        Raises:
            InputError: It cannot be read.
        """


class Pulled(Source):
    """A source that is asked for what is new; a kind is a class with `read` and `sample`."""

    @abstractmethod
    def read(self, memory: Memory) -> Iterator[Batch]:
        """What is new since the files that were landed, a batch for each file.

        Raises:
            InputError: It cannot be read; what was yielded before is landed all the same.
        """


def fill_optional(raw: Raw, optional: Sequence[str]) -> Raw:
    """The rows with nulls in the columns that may be left out, where they are."""
    missing = [column for column in optional if column not in raw.rows.columns]
    rows = raw.rows.with_columns(pl.lit(None, pl.String).alias(column) for column in missing)
    return Raw(rows, raw.texts | frozenset(missing))
