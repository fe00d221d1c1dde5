"""Files of one table in a folder or object store of others, which are taken in where they lie."""

from typing import Literal

from pydantic import field_validator

from tasks.core.errors import InputError, first_line
from tasks.core.sections import setting
from tasks.data.formats import Raw, read_raw
from tasks.data.landing import LandingPlace
from tasks.data.sources.source import Memory, Source


class Files(Source):
    """A folder of the workspace or s3://bucket/prefix; nothing is copied, changed or removed there."""

    kind: Literal["files"]
    path: str = setting(..., "a folder of the workspace, or s3://bucket/prefix", min_length=1)

    @field_validator("path")
    @classmethod
    def _is_a_place(cls, path: str) -> str:
        if "://" in path and not path.startswith("s3://"):
            raise ValueError(f"{path} is neither a folder nor s3://bucket/prefix")
        return path

    @property
    def place(self) -> LandingPlace:
        return LandingPlace(self.path, f"path of source {self.name}")

    @property
    def beginning(self) -> str:
        """With what the names of its files begin in ledger and quarantine."""
        return f"{self.table}/{self.name}:/"

    def sample(self, count: int, memory: Memory) -> Raw:
        files = self.place.list().files
        if files.is_empty():
            raise InputError(f"source {self.name}: there are no files in {self.path}")
        name = files["file"][-1]
        try:
            raw = read_raw(self.place.open(name), name, memory.table.columns)
        except OSError as error:
            raise InputError(f"source {self.name}: {self.path}/{name} cannot be read: {first_line(error)}") from None
        return raw._replace(rows=raw.rows.head(count))
