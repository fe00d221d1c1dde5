"""Merging landed rows into the data: each is added, unchanged, a late label, or a correction."""

from typing import NamedTuple

import polars as pl

from tasks.core.errors import DataError, InputError
from tasks.data.arrivals import ARRIVED, read_arrivals
from tasks.data.reader import read_declared, table_of
from tasks.data.snapshot import Snapshot
from tasks.features.table import TIME, Table, Tables

KNOWN, NEWER, BEFORE = "\0known", "\0newer", "\0before"  # columns, and how one ends, that no table has


class Counts(NamedTuple):
    """What valid rows did to the data."""

    added: int = 0
    unchanged: int = 0
    late_labels: int = 0  # a null became a value
    corrections: int = 0  # a value became another


class Change(NamedTuple):
    """What the rows of one landed file did; the last five sum to read."""

    table: str
    file: str
    read: int
    quarantined: int
    added: int
    unchanged: int
    late_labels: int
    corrections: int


class Merge:
    """The files of data/ as they become while deliveries are merged into them, one after the other."""

    def __init__(self, snapshot: Snapshot, tables: Tables) -> None:
        self.snapshot, self.tables = snapshot, tables
        self.files: dict[str, pl.DataFrame] = {}

    def add(self, table: str, rows: pl.DataFrame) -> Counts:
        """Merge valid rows, each with the time of its arrival, into the files that they belong to."""
        total = [0, 0, 0, 0]
        for file, part in split_by_file(self.tables[table], table, rows, self.snapshot):
            before = self.by_now(file)
            more = [name for name in before.columns if name not in part.columns]
            part = part.with_columns(pl.lit(None, before.schema[name]).alias(name) for name in more)
            self.files[file], counts = merge_rows(self.tables[table], before, part)
            total = [a + b for a, b in zip(total, counts, strict=True)]
        return Counts(*total)

    def files_of(self, table: str) -> list[str]:
        """The files of a table, with those that are new by now."""
        return sorted({file for file in (*self.snapshot.files, *self.files) if table_of(file) == table})

    def by_now(self, file: str) -> pl.DataFrame:
        """A file with what was merged into it so far."""
        return self.files[file] if file in self.files else self.read(file)

    def read(self, file: str) -> pl.DataFrame:
        """A file as it is now, with the time of each row's arrival; null where nobody noted it."""
        table = self.tables[table_of(file)]
        if file not in self.snapshot.files:
            return table.empty.with_columns(pl.lit(None, TIME).alias(ARRIVED))
        try:
            rows = read_declared(self.snapshot.files[file], table, f"data/{file}")
        except DataError as error:  # what landed is not to blame
            raise InputError(str(error)) from None
        more = [name for name in pl.read_parquet_schema(self.snapshot.files[file]) if name not in rows.columns]
        kept = pl.read_parquet(self.snapshot.files[file], columns=more)  # that the contract declares no longer
        return rows.hstack(kept).with_columns(read_arrivals(self.snapshot, file))

    def changed(self) -> tuple[dict[str, pl.DataFrame], dict[str, pl.Series]]:
        """The files that hold other rows than before, and of the others when their rows arrived, where that moved."""
        files, arrivals = {}, {}
        for file, after in self.files.items():
            before = self.read(file)
            columns = [column for column in after.columns if column != ARRIVED]
            if not before.select(columns).sort(columns).equals(after.select(columns).sort(columns)):
                files[file] = after
                continue
            key = self.tables[table_of(file)].key
            moved = before.select(key).join(after.select(*key, ARRIVED), on=key, how="left", maintain_order="left")
            if not moved[ARRIVED].equals(before[ARRIVED]):
                arrivals[file] = moved[ARRIVED]
        return files, arrivals


def split_by_file(table: Table, name: str, rows: pl.DataFrame, snapshot: Snapshot) -> list[tuple[str, pl.DataFrame]]:
    """The file of data/ that each row belongs to: its month, or the table's only file.

    Raises:
        DataError: The table lies in several files, and nothing tells to which of them a row belongs.
    """
    event = table.event_time
    if event is None and any(file.startswith(f"{name}/") for file in snapshot.files):
        raise DataError(f"data/{name}/ holds several files: what lands needs one, make it data/{name}.parquet")
    if event is None or f"{name}.parquet" in snapshot.files:
        return [(f"{name}.parquet", rows)]
    months = rows.group_by(event.dt.strftime("%Y-%m"), maintain_order=True)
    return [(f"{name}/{month[0]}.parquet", part) for month, part in months]


def is_newer(table: Table) -> pl.Expr:
    """Whether a row is newer than the known one: by the version column, of equal ones and without it by arrival."""
    later = (pl.col(ARRIVED) >= pl.col(ARRIVED + BEFORE)) | pl.col(ARRIVED + BEFORE).is_null()
    version = table.version
    if version is None or version in table.key:
        return later
    above = (pl.col(version) > pl.col(version + BEFORE)) | pl.col(version + BEFORE).is_null()
    return above | (pl.col(version).eq_missing(pl.col(version + BEFORE)) & later)


def merge_rows(table: Table, before: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, Counts]:
    """All rows in the order of their key, and how many were added, unchanged, late labels, corrections.

    A row that is older than the known one, by the table's version column or else by arrival, only fills its nulls.
    Nulls never overwrite known values: a row that only lacks some is unchanged. Where data/ holds a key twice, its
    last row is the one that changes, and takes the place of both.
    """
    key = table.key
    values = [column for column in rows.columns if column not in (*key, ARRIVED)]
    last = before.unique(key, keep="last").with_columns(pl.lit(True).alias(KNOWN))
    both = rows.join(last, on=key, how="left", suffix=BEFORE, maintain_order="left")
    both = both.with_columns(is_newer(table).alias(NEWER))
    newer = pl.col(NEWER).fill_null(False)
    repeats = [pl.col(column).eq_missing(pl.col(column + BEFORE)) | pl.col(column).is_null() for column in values]
    fills = [repeat | pl.col(column + BEFORE).is_null() for column, repeat in zip(values, repeats, strict=True)]
    stale = [repeat | pl.col(column + BEFORE).is_not_null() for column, repeat in zip(values, repeats, strict=True)]
    kind = both.select(
        pl.when(pl.col(KNOWN).is_null())
        .then(0)
        .when(
            pl.when(newer)
            .then(pl.all_horizontal(pl.lit(True), *repeats))
            .otherwise(pl.all_horizontal(pl.lit(True), *stale))
        )
        .then(1)
        .when(~newer | pl.all_horizontal(pl.lit(True), *fills))
        .then(2)
        .otherwise(3)
    ).to_series()
    merged = both.select(
        *key,
        *(
            pl.when(newer).then(pl.coalesce(c, c + BEFORE)).otherwise(pl.coalesce(c + BEFORE, c)).alias(c)
            for c in values
        ),
        pl.max_horizontal(ARRIVED, ARRIVED + BEFORE).alias(ARRIVED),
    ).select(before.columns)
    kept = before.join(rows, on=key, how="anti", maintain_order="left")
    counts = Counts(*(int((kind == which).sum()) for which in range(4)))
    return pl.concat([kept, merged]).sort(key), counts


def fold(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One row for each key: of each column the newest value that is not null."""
    known = pl.all_horizontal(pl.col(table.key).is_not_null())
    whole, broken = rows.filter(known), rows.filter(~known)
    if whole.select(table.key).is_duplicated().any():
        ordered = whole.sort(table.version, maintain_order=True) if table.version else whole
        whole = ordered.group_by(table.key, maintain_order=True).agg(pl.all().drop_nulls().last())
    return pl.concat([whole.select(rows.columns), broken])
