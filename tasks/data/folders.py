"""The files below a folder, and what cannot be looked at."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".swp", "~")  # of programs that copy
FILES = {"file": pl.String, "size": pl.Int64, "modified": pl.Datetime("us", "UTC")}


class Found(NamedTuple):
    """A file of the landing place."""

    name: str  # below it, such as TABLE/ANY.parquet
    size: int  # bytes
    modified: datetime


class Listing(NamedTuple):
    """What lies at the landing place, by the time of arrival, and what cannot be looked at, a sentence each."""

    files: pl.DataFrame  # of FILES
    troubles: list[str]


def to_nanoseconds(moment: datetime) -> int:
    """Since 1970, as a file system counts."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta.resolution * 1000


def modified_at(nanoseconds: int) -> datetime:
    """The time of a file system."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)


def is_delivery(name: str) -> bool:
    """Whether it is neither hidden, as Spark's _SUCCESS is, nor being copied, nor the digest of another file."""
    low = name.lower()
    return bool(low) and not (low.startswith((".", "_")) or low.endswith((*UNFINISHED, ".sha256")))


def describe_name(folder: object, name: str) -> str:
    """What to do about a name that cannot be kept."""
    return f"{folder} holds a file or folder with the name {ascii(name)}, which cannot be kept: rename it"


def list_folder(root: Path) -> Listing:
    """All files below a folder; links are followed, each folder once."""
    names, sizes, times, troubles, seen, rest = [], [], [], [], set(), [""]
    while rest:
        folder = rest.pop()
        real = os.path.realpath(root / folder)
        if real in seen:
            continue
        seen.add(real)
        for found in look_into(root, folder):
            if isinstance(found, str):
                troubles.append(found)
            elif isinstance(found, Path):
                rest.append(str(found))
            else:
                names.append(found[0])
                sizes.append(found[1])
                times.append(found[2] // 1000)
    return Listing(pl.DataFrame([names, sizes, times], schema=FILES), sorted(troubles))


def look_into(root: Path, folder: str) -> Iterator[tuple[str, int, int] | Path | str]:
    """The files and folders of a folder below root, and a sentence for each that cannot be looked at."""
    try:
        entries = list(os.scandir(root / folder))
    except OSError as error:
        yield f"{root / folder} cannot be read: {error.strerror}; look at its permissions"
        return
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if not is_delivery(entry.name):
            continue
        try:
            facts = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                yield f"{root / name} is a link to nothing ({error.strerror}): remove it or mend it"
            continue
        if not entry.name.isprintable():
            yield describe_name(root / folder, entry.name)
        elif stat.S_ISDIR(facts.st_mode):
            yield Path(name)
        elif not stat.S_ISREG(facts.st_mode):
            yield f"{root / name} is neither a file nor a folder: remove it"
        else:
            yield name, facts.st_size, facts.st_mtime_ns
