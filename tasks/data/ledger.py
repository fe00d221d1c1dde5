"""The ledger: which files are in the data. It lies in data/: it is part of the version that holds their rows."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from tasks.core.errors import InputError, first_line
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, open_repo, read_listing
from tasks.data.quarantine import FILE
from tasks.data.versions import find_current, known_versions
from tasks.features.table import INGEST, POLARS_ERRORS

LEDGER = f"{INGEST}/ledger.parquet"
OLD_LEDGER = "ledger.json"  # of versions made before there were digests in it
SCHEMA = {
    "table": pl.String,
    "digest": pl.String,  # sha256 of the file
    "position": pl.Int64,  # -1: the file; else a row of it that left the quarantine
    "file": pl.String,
    "size": pl.Int64,  # bytes
    "modified": pl.Datetime("us", "UTC"),
    "rows": pl.Int64,
    "quarantined": pl.Int64,  # of these
}


def read_ledger(files: Mapping[str, Path]) -> pl.DataFrame:
    """What is in a version: an entry for each file, and for each row that left the quarantine.

    Args:
        files: Of the version, by name.
    """
    if LEDGER not in files:
        return pl.DataFrame(schema=SCHEMA)
    try:
        return pl.read_parquet(files[LEDGER]).select(SCHEMA.keys()).cast(pl.Schema(SCHEMA))
    except POLARS_ERRORS as error:
        raise InputError(
            f"data/{LEDGER} was edited ({first_line(error)}): `ml versions use` an earlier version"
        ) from None


def read_current_ledger() -> pl.DataFrame:
    """The ledger of the current version, without the rest of it.

    Raises:
        InputError: It is not on this machine yet.
    """
    with open_repo() as repo:
        cache, version = Path(repo.cache.local.path), find_current()
    if not object_path(version, cache).is_file():
        raise InputError(f"data version {version} is not on this machine yet: `ml ingest` fetches it")
    files = {name: object_path(oid, cache) for name, oid in read_listing(version, cache).items()}
    try:
        return read_ledger(files)
    except (OSError, *POLARS_ERRORS):
        raise InputError(f"the ledger of data version {version} is not whole here: `ml ingest` fetches it") from None


def recall_ledger() -> pl.DataFrame:
    """The ledger of the current version; empty where there is none yet.

    Raises:
        InputError: The current version is not on this machine.
    """
    if not workspace().data_dvc.is_file() and not known_versions():
        return pl.DataFrame(schema=SCHEMA)
    return read_current_ledger()


def landed_files(ledger: pl.DataFrame) -> pl.DataFrame:
    """The entries of files."""
    return ledger.filter(pl.col("position") == FILE)
