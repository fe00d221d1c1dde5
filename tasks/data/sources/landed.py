"""The files that a source landed are its memory: in the landing place, and in the ledger of the current version."""

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import polars as pl

from tasks.core.errors import InputError
from tasks.data.formats import TEXTS, Raw
from tasks.data.landing import LandingPlace
from tasks.data.sources.bookmarks import find_bookmark, is_of_source, moment_of
from tasks.features.table import POLARS_ERRORS


class Landed:
    """What one source landed.

    Args:
        place: Where it lands.
        table: Whose rows they are.
        name: Of the source.
        ledger: Of the current version: files that were removed since are remembered.
    """

    def __init__(self, place: LandingPlace, table: str, name: str, ledger: pl.DataFrame) -> None:
        self.place, self.beginning = place, f"{table}/{name}-"
        mine = ledger.filter(pl.col("file").str.starts_with(self.beginning))
        self.known: dict[str, datetime] = dict(mine.select("file", "modified").iter_rows())
        self.known |= place.find(self.beginning)

    @property
    def bookmarks(self) -> list[str]:
        """How far the source was read, by each of its files."""
        return [bookmark for name in self.known if (bookmark := find_bookmark(name))]

    @property
    def read_until(self) -> datetime | None:
        """The newest cursor that was past when its file landed: of one still to come, rows before it were not read."""
        now = datetime.now(UTC)
        times = [(moment_of(name), landed) for name, landed in self.known.items() if find_bookmark(name) and landed]
        return max((moment for moment, landed in times if moment and moment <= min(now, landed)), default=None)

    @property
    def newest(self) -> datetime | None:
        """When it landed something last."""
        return max((modified for modified in self.known.values() if modified is not None), default=None)

    def look_again(self) -> list[str]:
        """The bookmarks, with those of files that others landed meanwhile."""
        self.known |= self.place.find(self.beginning)
        return self.bookmarks

    def recall(self, since: datetime | None) -> Iterator[pl.DataFrame]:
        """The rows of the files whose newest cursor is not before a moment, in the order in which they were landed.

        Of a source without a cursor they are those of the newest file; a file that was removed is left out.
        """
        files = sorted(name for name in self.known if find_bookmark(name))
        chosen = files[-1:] if since is None else [name for name in files if (moment_of(name) or since) >= since]
        for name in chosen:
            with suppress(OSError, *POLARS_ERRORS):
                yield pl.read_parquet(self.place.open(name))

    def add(self, raw: Raw, bookmark: str) -> str:
        """Land rows in a file, which counts as newer than all that the source landed before; returns its name.

        Raises:
            InputError: They cannot be written.
        """
        name = f"{self.beginning}{bookmark}.parquet"
        assert is_of_source(name), f"{bookmark} is no bookmark: mark_pulled makes one"
        content = io.BytesIO()
        facts = {
            TEXTS: json.dumps(sorted(raw.texts)),
            "bookmark": bookmark,
        }  # the same rows, later, are another content
        raw.rows.write_parquet(content, compression="zstd", metadata=facts)
        try:
            self.known[name] = self.place.write(name, content.getvalue(), self.newest)
        except OSError as error:
            raise InputError(f"{self.place.source}/{name} cannot be written: {error.strerror or error}") from None
        return name
