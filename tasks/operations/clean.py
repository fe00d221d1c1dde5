"""Removing what nobody needs any more: old caches and reports, and data versions that no model on record needs."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, read_listing
from tasks.data.snapshot import cache_folder
from tasks.data.versions import known_versions
from tasks.operations.needed import needed_versions

DAY = 24 * 3600


class Waste(NamedTuple):
    """Files that may go."""

    what: str
    files: list[Path]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(path.stat().st_size for path in self.files if path.exists())


def find_waste(days: int, last: int) -> list[Waste]:
    """What may go.

    Args:
        days: Caches and reports older than this.
        last: So many of the newest data versions stay, beside those that a model on record needs.
    """
    return [
        Waste("features that nobody read lately", list(find_old(workspace().features, days))),
        Waste("studies of trainings", list(find_old(workspace().studies, days))),
        Waste("parts of files whose scoring was stopped", list(find_old(workspace().bulk, days))),
        Waste("copies of models", list(find_old(workspace().fetched, days))),
        Waste("reports", list(find_old(workspace().reports, days, pattern="*/*.html"))),
        Waste("data of versions that no model needs", find_objects(last)),
    ]


def find_old(folder: Path, days: int, pattern: str = "**/*") -> Iterator[Path]:
    """Files that were neither written nor read for so many days."""
    for path in sorted(folder.glob(pattern)):
        if not path.is_file():
            continue
        facts = path.stat()
        if max(facts.st_mtime, facts.st_atime) < time.time() - days * DAY:
            yield path


def find_objects(last: int) -> list[Path]:
    """Objects of the DVC cache that only versions refer to which nobody needs; what else lies there stays."""
    cache, needed = cache_folder(), needed_versions(last)
    gone = set(known_versions()) - set(needed)
    kept = {path for version in needed for path in list_objects(version, cache)}
    return sorted({path for version in gone for path in list_objects(version, cache)} - kept)


def list_objects(version: str, cache: Path) -> list[Path]:
    """The objects of a version that are here."""
    if not object_path(version, cache).is_file():
        return []
    paths = [object_path(oid, cache) for oid in (version, *read_listing(version, cache).values())]
    return [path for path in paths if path.is_file()]


def remove(waste: Waste) -> None:
    """Remove files; the listing of a version last, so that a cleaning that was killed can be repeated."""
    for path in sorted(waste.files, key=lambda path: path.suffix == ".dir"):
        path.unlink(missing_ok=True)
