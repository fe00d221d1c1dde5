"""What a source is: it reads rows of one table, and remembers by the names of the files that it landed."""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from tasks.core.sections import Section, setting
from tasks.data.formats import Raw
from tasks.features.table import Table

STAMP = "%Y%m%dT%H%M%S%f"  # of a time in the name of a file


class Batch(NamedTuple):
    """Rows that are landed as one file."""

    raw: Raw
    mark: str  # tells it from the other files of the source, in its name, and where to go on


def fill_optional(raw: Raw, optional: Sequence[str]) -> Raw:
    """The rows with nulls in the columns that may be left out, where they are."""
    missing = [column for column in optional if column not in raw.rows.columns]
    rows = raw.rows.with_columns(pl.lit(None, pl.String).alias(column) for column in missing)
    return Raw(rows, raw.texts | frozenset(missing))


class Memory(NamedTuple):
    """What a source knows when it is read."""

    marks: list[str]  # of the files that it landed
    table: Table  # that its rows are of
    time_zone: str | None  # of times that have none
    tell: Callable[[str], None]  # progress of long work; it also says that the source does not hang


class Source(Section):
    """Rows of one table from elsewhere; a kind is a class with `read` and `sample`."""

    name: str
    table: str = setting(..., "of the contract, whose rows it gives")

    @abstractmethod
    def read(self, memory: Memory) -> Iterator[Batch]:
        """What is new since the files that were landed, a batch for each file.

        Raises:
            InputError: It cannot be read; what was yielded before is landed all the same.
        """

    @abstractmethod
    def sample(self, count: int, memory: Memory) -> Raw:
        """Some rows, with all columns that they have.

        Raises:
            InputError: It cannot be read.
        """


def moment_of(mark: str) -> datetime | None:
    """The time in a mark: that of the newest row or message in its file."""
    found = re.search(r"\d{8}T\d{12}", mark)
    return datetime.strptime(found[0], STAMP).replace(tzinfo=UTC) if found else None


def newest_moment(marks: list[str]) -> datetime | None:
    """The time up to which files hold what a source has.

    A time to come is none: the clock that it is of may be set right, and later rows lie before it.
    """
    now = datetime.now(UTC)
    return max((moment for mark in marks if (moment := moment_of(mark)) and moment <= now), default=None)
