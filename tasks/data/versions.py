"""The line of data versions: each is an entry with a number, inserted if nobody was first; the newest is current."""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl
import yaml

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.provenance import who
from tasks.core.tables import Table, insert_new, read_rows
from tasks.core.workspace import workspace

HASH = r"[0-9a-f]{32}\.dir"
DATA_VERSIONS = Table(
    "data_versions",
    {
        "number": pl.Int64,  # from 1 on
        "version": pl.String,  # the hash in data.dvc
        "before": pl.String,  # the one that was current; null for the first
        "kind": pl.String,  # landed, replayed, adopted (made by dvc add) or used (made current again)
        "made_at": pl.Datetime("us", "UTC"),
        "by": pl.String,
        "changes": pl.String,  # as JSON: of each table the rows read, quarantined, added, ...
        "files": pl.String,  # as JSON: table, name, digest and rows of each file that went in
    },
    key=("number",),
    partition=(),
)


class DataVersion(NamedTuple):
    """One entry."""

    number: int
    version: str
    before: str | None
    kind: str
    made_at: datetime
    by: str
    changes: dict[str, dict[str, int]]
    files: list[dict[str, Any]]


def read_versions() -> list[DataVersion]:
    """All entries, the oldest first."""
    rows = read_rows(DATA_VERSIONS).sort("number")
    parsed = (
        row | {name: json.loads(row[name]) for name in ("changes", "files")} for row in rows.iter_rows(named=True)
    )
    return [DataVersion(**row) for row in parsed]


def known_versions() -> list[str]:
    """The hash of each entry, the oldest first."""
    return read_rows(DATA_VERSIONS, columns=["number", "version"]).sort("number")["version"].to_list()


def record_version(
    version: str, known: list[str], kind: str, changes: dict[str, dict[str, int]], files: list[dict[str, Any]]
) -> bool:
    """Make a version the current one.

    Args:
        version: Its hash.
        known: The entries that whoever made it has seen.
        kind: How it came about.
        changes: What it did to each table.
        files: That went in.

    Returns:
        Whether it is current now; else another machine was first, and its version has to be looked at.
    """
    row = {
        "number": len(known) + 1,
        "version": version,
        "before": known[-1] if known else None,
        "kind": kind,
        "made_at": datetime.now(UTC),
        "by": who(),
        "changes": json.dumps(changes, sort_keys=True),
        "files": json.dumps(files, sort_keys=True),
    }
    return bool(insert_new(DATA_VERSIONS, pl.DataFrame([row], schema=DATA_VERSIONS.schema)))


def find_current() -> str:
    """The version that is current: that of data.dvc if it is on no record, as after `dvc add data`; else the newest.

    Raises:
        InputError: data.dvc is missing or names no version, and none is on record.
    """
    known = known_versions()
    if known and not workspace().data_dvc.is_file():
        return known[-1]
    own = parse_version(read_data_dvc())
    if own not in known:
        return own
    if own != known[-1]:
        print(
            f"data.dvc names version {own}, an older one: version {known[-1]} is current (`ml versions use` changes it)"
        )
    return known[-1]


def find_version(wanted: str | None) -> str:
    """The hash of the version that a user means.

    Args:
        wanted: Its number, or the beginning of its hash; None is the one that data.dvc names.

    Raises:
        InputError: None is meant, or several are.
    """
    if wanted is None:
        return parse_version(read_data_dvc())
    known = known_versions()
    if re.fullmatch(r"\d{1,9}", wanted) and 1 <= int(wanted) <= len(known):
        return known[int(wanted) - 1]
    found = sorted({version for version in known if version.startswith(wanted.removesuffix(".dir"))})
    if len(found) != 1:
        raise InputError(f"{wanted!r} means {len(found)} data versions: `ml versions` lists them by number and hash")
    return found[0]


def read_data_dvc() -> str:
    """The text of data.dvc."""
    file = workspace().data_dvc
    if not file.is_file():
        raise InputError(f"{file} is missing: restore it from git, or run `dvc add data`")
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}; restore it from git, or run `dvc add data`") from None


def parse_version(text: str) -> str:
    """The version that a data.dvc names."""
    try:
        version = yaml.safe_load(text)["outs"][0]["md5"]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        raise InputError("data.dvc holds no outs[0].md5: run `dvc add data`") from None
    if not re.fullmatch(HASH, str(version)):
        raise InputError(f"data.dvc tracks {version}, not a folder: put your files into data/ and run `dvc add data`")
    return version


def write_data_dvc(version: str, size: int, files: int) -> None:
    """Let data.dvc name a version.

    Args:
        version: Its hash.
        size: Of its files together, in bytes.
        files: How many.
    """
    out = {"md5": version, "size": size, "nfiles": files, "hash": "md5", "path": "data"}
    with atomic_write(workspace().data_dvc) as part:
        part.write_text(yaml.safe_dump({"outs": [out]}, sort_keys=False))
