"""Tables of the store: Delta Lake, written by any number of machines, read by polars, DuckDB, Spark and others."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from deltalake import DeltaTable, QueryBuilder, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import FULL, InputError, StoreError, first_line, without_secrets
from tasks.core.store import store

TRIES = 40
KEPT = timedelta(days=7)  # how long files that a table no longer needs stay, for those who read it meanwhile


class Table(NamedTuple):
    """A table by its name in the store."""

    name: str
    schema: dict[str, pl.DataType | type[pl.DataType]]
    key: tuple[str, ...]  # tells rows apart; never null
    partition: tuple[str, ...]  # folders; each must follow from the key, else two writers could both insert a key

    @property
    def address(self) -> str:
        return f"{store().address}/{self.name}"


def insert_new(table: Table, rows: pl.DataFrame) -> int:
    """Insert the rows whose key the table does not hold yet, atomically, whoever else writes; returns how many.

    Args:
        table: It is made on first use.
        rows: Columns of the table's schema; one that is left out is null.

    Raises:
        InputError: The table cannot be read or written.
    """
    missing = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in rows.columns]
    rows = rows.with_columns(missing).select(table.schema.keys()).cast(pl.Schema(table.schema))
    rows = rows.unique(table.key, keep="first", maintain_order=True)
    assert not sum(rows[name].null_count() for name in table.key), f"a key of {table.name} is null"
    if rows.is_empty():
        return 0
    same = [f"t.{name} = s.{name}" for name in table.key]
    near = [f"t.{name} {sign} {literal(found)}" for name in bounds(table, rows) for sign, found in ends(rows[name])]
    for attempt in range(TRIES):
        try:
            merge = open_table(table).merge(rows, " AND ".join(same + near), "s", "t")
            return int(merge.when_not_matched_insert_all().execute()["num_target_rows_inserted"])
        except CommitFailedError:
            time.sleep(random.uniform(0, min(1, 0.01 * 2**attempt)))  # noqa: S311
        except (DeltaError, OSError) as error:
            raise unusable(table, error) from None
    raise InputError(f"{table.address}: {TRIES} other writers were first: try again")


def read_rows(table: Table, where: str = "true", columns: Sequence[str] = ()) -> pl.DataFrame:
    """The rows that satisfy an SQL condition; none where the table was not made yet.

    Raises:
        InputError: The table cannot be read.
    """
    chosen = list(columns or table.schema)
    try:
        delta = DeltaTable(table.address, storage_options=options())
        lacking = lacks(table, delta)
        parts = ", ".join(f"NULL AS {name}" if name in lacking else name for name in chosen)
        query = QueryBuilder().register("t", delta)
        found = query.execute(f"SELECT {parts} FROM t WHERE {where}").read_all()  # noqa: S608
    except TableNotFoundError:
        return pl.DataFrame(schema={name: table.schema[name] for name in chosen})
    except Exception as error:  # the engine has an exception of its own for each layer
        raise unusable(table, error) from None
    return pl.DataFrame(found).cast(pl.Schema({name: table.schema[name] for name in chosen}))


def erase(table: Table, columns: Sequence[str], where: str) -> None:
    """Set columns to null in the rows that satisfy an SQL condition; old files go with the next tidy_table."""
    try:
        if DeltaTable.is_deltatable(table.address, storage_options=options()):
            open_table(table).update(updates=dict.fromkeys(columns, "NULL"), predicate=where)
    except (DeltaError, OSError) as error:
        raise unusable(table, error) from None


def compact(table: Table) -> None:
    """Rewrite many small files as few, which disturbs nobody who writes meanwhile; what hinders it is told."""
    try:
        open_table(table).optimize.compact()
    except (DeltaError, OSError) as error:
        print(f"{table.name} is compacted another time: {first_line(error)[:300]}")


def tidy_table(table: Table) -> None:
    """Compact, and remove the files that no version of the last days needs."""
    try:
        if DeltaTable.is_deltatable(table.address, storage_options=options()):
            compact(table)
            open_table(table).vacuum(int(KEPT / timedelta(hours=1)), dry_run=False)
    except (DeltaError, OSError) as error:
        print(f"{table.name} is tidied another time: {first_line(error)[:300]}")


def literal(value: Any) -> str:
    """A value in SQL."""
    if isinstance(value, int):
        return str(value)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return "'" + text.replace("'", "''") + "'"


def as_json(rows: pl.DataFrame) -> pl.Series:
    """Each row as JSON text, names sorted and times in ISO with microseconds: it outlives an edit of their types."""
    text = spell_out_endless(rows.select(sorted(rows.columns)))
    times = pl.selectors.datetime().dt.cast_time_unit("us")
    text = text.with_columns(times, pl.selectors.binary().bin.encode("hex"))
    endless = [c.name for c in text.select(pl.selectors.float()) if not c.drop_nulls().is_finite().all()]
    text = text.with_columns(pl.selectors.temporal().dt.to_string("iso:strict"), pl.col(endless).cast(pl.String))
    return text.to_struct("row").struct.json_encode()


def bounds(table: Table, rows: pl.DataFrame) -> list[str]:
    """The columns by which a merge leaves most files out: those of the folders, and whole numbers of the key."""
    return [*table.partition, *(n for n in table.key if n not in table.partition and rows.schema[n].is_integer())]


def ends(column: pl.Series) -> list[tuple[str, Any]]:
    """The least and the greatest value, each with its comparison."""
    return [(">=", column.min()), ("<=", column.max())]


def open_table(table: Table) -> DeltaTable:
    """The table to write to, made on first use; one of an earlier version gets the columns that it lacks."""
    if not store().remote and Path(table.address).exists() and not os.access(table.address, os.W_OK):
        raise PermissionError(f"{table.address} cannot be written")  # the library would panic
    try:
        found = DeltaTable(table.address, storage_options=options())
        if lacking := lacks(table, found):
            with suppress(DeltaError):  # another process added them first
                fields = Schema.from_arrow(pl.DataFrame(schema=lacking).to_arrow().schema).fields
                found.alter.add_columns(fields)
        return found
    except TableNotFoundError:
        empty, parts = pl.DataFrame(schema=table.schema), {"partition_by": list(table.partition)}
        with suppress(CommitFailedError):  # another process made it first
            empty.write_delta(table.address, mode="ignore", storage_options=options(), delta_write_options=parts)
        return DeltaTable(table.address, storage_options=options())


def lacks(table: Table, delta: DeltaTable) -> dict[str, Any]:
    """The columns that a table of an earlier version does not have."""
    present = {field.name for field in delta.schema().fields}
    return {name: kind for name, kind in table.schema.items() if name not in present}


def options() -> dict[str, str]:
    """How the library reaches the store beside the AWS_* variables: by http where the endpoint says so."""
    if not store().remote:
        return {}
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return {"aws_allow_http": "true"} if plain else {}


def unusable(table: Table, error: BaseException) -> StoreError:
    """One sentence for whatever the library says."""
    if any(words in str(error) for words in FULL):
        return StoreError("the disk is full: free some space and run it again; what is on record stands")
    if "No field named" in str(error):
        return StoreError(
            f"the table {table.address} is of an earlier version of the starter: see CHANGELOG.md, and move it"
        )
    endpoint = without_secrets(os.environ.get("AWS_ENDPOINT_URL", "")) if store().remote else ""
    there = f" at {endpoint} (AWS_ENDPOINT_URL)" if endpoint else ""
    return StoreError(
        f"the table {table.address}{there} cannot be used: {first_line(error)[:300]}; look at the "
        "folder's permissions or the AWS_* variables, or restore the table from a backup"
    )
