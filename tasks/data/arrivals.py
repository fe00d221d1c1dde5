"""When the rows of data/ arrived, beside its files: a newer row wins in whatever order files are seen."""

import polars as pl

from tasks.data.snapshot import Snapshot
from tasks.features.table import INGEST, TIME

ARRIVED = "arrived at (ingest)"  # a column that no table has
OF = "of"  # the hash of the file whose rows they are


def arrivals_file(file: str) -> str:
    """Where the arrivals of a file of data/ lie."""
    return f"{INGEST}/arrivals/{file}"


def read_arrivals(snapshot: Snapshot, file: str) -> pl.Series | pl.Expr:
    """When each row of a file arrived; null where nobody noted it, as in a file that `dvc add` made."""
    path = snapshot.files.get(arrivals_file(file))
    if path is None or pl.read_parquet_metadata(path).get(OF) != snapshot.hash_of(file):
        return pl.lit(None, TIME).alias(ARRIVED)
    return pl.read_parquet(path)[ARRIVED]
