"""The ledger: which files are in the data. It lies in data/: it is part of the version that holds their rows."""

import polars as pl

from tasks.data.quarantine import FILE
from tasks.data.snapshot import Snapshot

LEDGER = "ledger.parquet"
BEFORE = "ledger.json"  # of versions made before there were digests in it
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


def read_ledger(snapshot: Snapshot) -> pl.DataFrame:
    """What is in a version: an entry for each file, and for each row that left the quarantine."""
    file = snapshot.files.get(LEDGER)
    return pl.read_parquet(file) if file else pl.DataFrame(schema=SCHEMA)


def landed_files(ledger: pl.DataFrame) -> pl.DataFrame:
    """The entries of files."""
    return ledger.filter(pl.col("position") == FILE)
