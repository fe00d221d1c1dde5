"""Files of one table in a folder or object store of others, which are taken in where they lie."""

from collections.abc import Iterator
from typing import Literal

from tasks.core.errors import InputError
from tasks.core.sections import setting
from tasks.data.formats import Raw, read_raw
from tasks.data.landing import LandingPlace
from tasks.data.sources.source import Batch, Memory, Source


class Files(Source):
    """A folder of the workspace or s3://bucket/prefix; nothing is copied, changed or removed there."""

    kind: Literal["files"]
    path: str = setting(..., "a folder of the workspace, or s3://bucket/prefix", min_length=1)

    @property
    def place(self) -> LandingPlace:
        return LandingPlace(self.path, f"path of source {self.name}")

    @property
    def beginning(self) -> str:
        """With what the names of its files begin in ledger and quarantine."""
        return f"{self.table}/{self.name}:/"

    def read(self, memory: Memory) -> Iterator[Batch]:
        """Nothing is landed: ingest reads its files beside those of the landing place."""
        yield from ()

    def sample(self, count: int, memory: Memory) -> Raw:
        files = self.place.list().files
        if files.is_empty():
            raise InputError(f"source {self.name}: there are no files in {self.path}")
        name = files["file"][-1]
        content = self.place.read_whole(name)
        raw = read_raw(content, name, memory.table.columns)
        return raw._replace(rows=raw.rows.head(count))
