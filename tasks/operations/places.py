"""Places that files are copied between: folders, and prefixes of an object store."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fsspec.core import url_to_fs

from tasks.core.errors import InputError, StoreError, first_line, without_secrets
from tasks.core.files import atomic_write


class Place(NamedTuple):
    """A folder, or a prefix of an object store."""

    files: Any
    root: str

    def list(self, folder: str) -> dict[str, int]:
        """The size of each file below a folder, by its name there."""
        base = f"{self.root}/{folder}".rstrip("/")
        try:
            found = self.files.find(base, detail=True)
        except FileNotFoundError:
            return {}
        return {str(path).removeprefix(f"{base}/"): facts["size"] for path, facts in found.items()}

    def read(self, name: str) -> bytes:
        return self.files.cat_file(f"{self.root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all."""
        if "file" in self.files.protocol:
            with atomic_write(Path(self.root) / name) as part:
                part.write_bytes(content)
        else:
            self.files.pipe_file(f"{self.root}/{name}", content)


def open_place(address: str) -> Place:
    """A folder or s3://bucket/prefix."""
    files, root = url_to_fs(address if "://" in address else str(Path(address).resolve()))
    files.invalidate_cache()
    return Place(files, str(root).rstrip("/"))


def part(place: Place, folder: str) -> Place:
    """A folder of a place."""
    return Place(place.files, f"{place.root}/{folder}")


def copy_missing(source: Place, files: dict[str, int], to: Place, folder: str) -> int:
    """Copy the files that are not there yet; what they hold follows from their names. Returns how many were."""
    there = to.list(folder)
    missing = [name for name, size in files.items() if there.get(name) != size]
    for name in missing:
        to.write(f"{folder}/{name}".lstrip("/"), source.read(name))
    return len(missing)


@contextmanager
def told_where(address: str) -> Generator[None]:
    """Say in one sentence that a place cannot be read or written."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a client of an object store has exceptions of its own
        where, why = without_secrets(address), first_line(error)[:200]
        raise StoreError(f"{where} cannot be used: {why}; look at its permissions or the AWS_* variables") from None
