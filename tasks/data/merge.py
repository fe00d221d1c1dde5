"""Merging landed rows into the data: each is added, unchanged, a late label, or a correction."""

from typing import NamedTuple

import polars as pl
from prefect import task

from tasks.core.errors import InputError
from tasks.core.params import Validation
from tasks.data.reader import read_file
from tasks.data.snapshot import Snapshot
from tasks.data.sources import Landed
from tasks.data.validation import validate_rows
from tasks.features.table import Tables

KNOWN, BEFORE = "\0known", "\0before"  # a column, and how one ends, that no table has


class Change(NamedTuple):
    """What the rows of one landed file did; the last five sum to read."""

    file: str
    read: int
    quarantined: int
    added: int
    unchanged: int
    late_labels: int  # a null became a value
    corrections: int  # a value became another


@task
def merge_landed(
    snapshot: Snapshot, tables: Tables, landed: list[Landed], validation: Validation
) -> tuple[dict[str, pl.DataFrame], list[Change]]:
    """The files of data/ that change, by name, and what each landed file did to them."""
    files: dict[str, pl.DataFrame] = {}
    changes = []
    for delivery in landed:
        valid, count = validate_rows(tables, delivery.table, delivery.rows, validation)
        counts = [0, 0, 0, 0]
        for file, rows in split_by_file(tables, delivery.table, valid, snapshot):
            before = files[file] if file in files else read_existing(tables, file, snapshot)
            files[file], merged = merge_rows(tables[delivery.table].key, before, rows)
            counts = [total + more for total, more in zip(counts, merged, strict=True)]
        changes.append(Change(delivery.name, count.read, count.quarantined, *counts))
    return {file: rows for file, rows in files.items() if differs(tables, file, rows, snapshot)}, changes


def split_by_file(tables: Tables, table: str, rows: pl.DataFrame, snapshot: Snapshot) -> list[tuple[str, pl.DataFrame]]:
    """The file of data/ that each row belongs to: its month, or the table's only file.

    Raises:
        InputError: The table lies in several files, and nothing tells to which of them a row belongs.
    """
    event = tables[table].event_time
    if event is None and any(file.startswith(f"{table}/") for file in snapshot.files):
        raise InputError(f"data/{table}/ holds several files: what lands needs one, make it data/{table}.parquet")
    if event is None or f"{table}.parquet" in snapshot.files:
        return [(f"{table}.parquet", rows)]
    months = rows.group_by(event.dt.strftime("%Y-%m"), maintain_order=True)
    return [(f"{table}/{month[0]}.parquet", part) for month, part in months]


def read_existing(tables: Tables, file: str, snapshot: Snapshot) -> pl.DataFrame:
    empty = tables[file.removesuffix(".parquet").split("/")[0]].empty
    return read_file(snapshot, tables, file).cast(empty.schema) if file in snapshot.files else empty


def differs(tables: Tables, file: str, rows: pl.DataFrame, snapshot: Snapshot) -> bool:
    """Whether a file would hold other rows than it does; their order does not count."""
    before, key = read_existing(tables, file, snapshot), rows.columns
    return not before.sort(key).equals(rows.sort(key))


def merge_rows(key: list[str], before: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """All rows in the order of their key, and how many were added, unchanged, late labels, corrections.

    Nulls never overwrite known values: a row that only lacks some is unchanged. Where data/ holds a key twice, its
    last row is the one that changes, and takes the place of both.
    """
    values = [column for column in rows.columns if column not in key]
    last = before.unique(key, keep="last").with_columns(pl.lit(True).alias(KNOWN))
    both = rows.join(last, on=key, how="left", suffix=BEFORE, maintain_order="left")
    repeats = [pl.col(column).eq_missing(pl.col(column + BEFORE)) | pl.col(column).is_null() for column in values]
    fills = [repeat | pl.col(column + BEFORE).is_null() for column, repeat in zip(values, repeats, strict=True)]
    kind = both.select(
        pl.when(pl.col(KNOWN).is_null())
        .then(0)
        .when(pl.all_horizontal(repeats))
        .then(1)
        .when(pl.all_horizontal(fills))
        .then(2)
        .otherwise(3)
    ).to_series()
    kept = before.join(rows.filter(kind >= 2), on=key, how="anti", maintain_order="left")
    filled = both.select(*key, *(pl.coalesce(column, column + BEFORE) for column in values)).select(rows.columns)
    merged = pl.concat([kept, filled.filter(kind != 1)]).sort(key)
    return merged, [int((kind == which).sum()) for which in range(4)]
