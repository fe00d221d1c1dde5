"""The files that a source landed are its memory: in the landing place, and in the ledger of the current version."""

import io
import json
import re
from datetime import datetime

import polars as pl

from tasks.core.errors import InputError
from tasks.data.formats import TEXTS, Raw
from tasks.data.landing import LandingPlace

# of the names of files that sources land: from a time on, or of a partition of a stream
MARKS = (r"\d{6,}-\d{8}T\d{12}-[0-9a-f]{16}", r"p\d+-\d+-\d+-\d{8}T\d{12}")
OF_SOURCE = re.compile(rf"[^/]+/[a-z][a-z0-9_]*-({'|'.join(MARKS)})\.parquet")


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
        self.known = dict(mine.select("file", "modified").iter_rows())
        self.known |= {found.name: found.modified for found in place.find(self.beginning)}

    @property
    def marks(self) -> list[str]:
        """What tells its files from each other, in the order of their names."""
        return sorted(mark for name in self.known if (mark := self._mark_of(name)))

    @property
    def newest(self) -> datetime | None:
        """When it landed something last."""
        return max((modified for modified in self.known.values() if modified is not None), default=None)

    def add(self, raw: Raw, mark: str) -> str:
        """Land rows in a file, which counts as newer than all that the source landed before; returns its name.

        Raises:
            InputError: They cannot be written.
        """
        name = f"{self.beginning}{mark}.parquet"
        content = io.BytesIO()
        facts = {TEXTS: json.dumps(sorted(raw.texts)), "mark": mark}  # the same rows again, later, are another content
        raw.rows.write_parquet(content, compression="zstd", metadata=facts)
        try:
            self.place.write(name, content.getvalue(), self.newest)
        except OSError as error:
            raise InputError(f"{self.place.source}/{name} cannot be written: {error.strerror or error}") from None
        self.known |= {found.name: found.modified for found in self.place.find(name)}
        return name

    def _mark_of(self, name: str) -> str | None:
        mark = name.removeprefix(self.beginning).removesuffix(".parquet")
        return mark if OF_SOURCE.fullmatch(name) and any(re.fullmatch(kind, mark) for kind in MARKS) else None


def is_of_source(name: str) -> bool:
    """Whether a file was landed by a source, whose files come one after the other."""
    return OF_SOURCE.fullmatch(name) is not None
