"""New rows into the data: added, the same as before, a late label, or a correction."""

from typing import NamedTuple

import polars as pl
from prefect import task

from project.contract import EVENT_TIME, ROWS, TABLES
from tasks.core.errors import InputError
from tasks.core.params import Validation
from tasks.data.reader import read_file
from tasks.data.snapshot import Snapshot
from tasks.data.sources import Landed
from tasks.data.validation import validate_rows


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
    snapshot: Snapshot, landed: list[Landed], validation: Validation
) -> tuple[dict[str, pl.DataFrame], list[Change]]:
    """The files of data/ that change, by name, and what each landed file did to them."""
    files: dict[str, pl.DataFrame] = {}
    changes = []
    for delivery in landed:
        valid, count = validate_rows(delivery.table, delivery.rows, validation)
        counts = [0, 0, 0, 0]
        for file, rows in split_by_file(delivery.table, valid, snapshot):
            before = files[file] if file in files else read_existing(delivery.table, file, snapshot)
            files[file], merged = merge_rows(delivery.table, before, rows)
            counts = [total + more for total, more in zip(counts, merged, strict=True)]
        changes.append(Change(delivery.name, count.read, count.quarantined, *counts))
    return {file: rows for file, rows in files.items() if differs(file, rows, snapshot)}, changes


def split_by_file(table: str, rows: pl.DataFrame, snapshot: Snapshot) -> list[tuple[str, pl.DataFrame]]:
    """The file of data/ that each row belongs to: its month, or the table's only file.

    Raises:
        InputError: The table lies in several files, and nothing tells to which of them a row belongs.
    """
    if table != ROWS and any(file.startswith(f"{table}/") for file in snapshot.files):
        raise InputError(f"data/{table}/ holds several files: what lands needs one, make it data/{table}.parquet")
    if table != ROWS or f"{ROWS}.parquet" in snapshot.files:
        return [(f"{table}.parquet", rows)]
    months = rows.group_by(EVENT_TIME.dt.strftime("%Y-%m"), maintain_order=True)
    return [(f"{table}/{month[0]}.parquet", part) for month, part in months]


def read_existing(table: str, file: str, snapshot: Snapshot) -> pl.DataFrame:
    if file not in snapshot.files:
        return TABLES[table].create_empty()
    return TABLES[table].cast(read_file(snapshot, file))


def differs(file: str, rows: pl.DataFrame, snapshot: Snapshot) -> bool:
    """Whether a file would hold other rows than it does; their order does not count."""
    before, key = read_existing(file.removesuffix(".parquet").split("/")[0], file, snapshot), rows.columns
    return not before.sort(key).equals(rows.sort(key))


def merge_rows(table: str, before: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """All rows in the order of their key, and how many were added, unchanged, late labels, corrections.

    A null says nothing: it erases no value that is known, and a row that only lacks some is unchanged. Where data/
    holds a key twice, its last row is the one that changes, and takes the place of both.
    """
    key = TABLES[table].primary_key()
    values = [column for column in rows.columns if column not in key]
    last = before.unique(key, keep="last").with_columns(known=True)
    both = rows.join(last, on=key, how="left", suffix="_before", maintain_order="left")
    repeats = [pl.col(column).eq_missing(pl.col(f"{column}_before")) | pl.col(column).is_null() for column in values]
    fills = [repeat | pl.col(f"{column}_before").is_null() for column, repeat in zip(values, repeats, strict=True)]
    kind = both.select(
        pl.when(pl.col("known").is_null())
        .then(0)
        .when(pl.all_horizontal(repeats))
        .then(1)
        .when(pl.all_horizontal(fills))
        .then(2)
        .otherwise(3)
    ).to_series()
    kept = before.join(rows.filter(kind >= 2), on=key, how="anti", maintain_order="left")
    filled = both.select(*key, *(pl.coalesce(column, f"{column}_before") for column in values)).select(rows.columns)
    merged = pl.concat([kept, filled.filter(kind != 1)]).sort(key)
    return merged, [int((kind == which).sum()) for which in range(4)]
