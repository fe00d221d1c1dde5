"""Reading the tables of a snapshot as of a moment."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path, PurePosixPath

import polars as pl

from tasks.core.errors import DataError, InputError, counted, first_line
from tasks.core.moments import POSSIBLE
from tasks.core.use_case import UseCase
from tasks.data.conversion import convert
from tasks.data.formats import Raw
from tasks.data.snapshot import Snapshot
from tasks.features.table import POLARS_ERRORS, Table, Tables, as_known, to_plain

Month = tuple[datetime, datetime]  # its first moment, and that of the month after it
SLICE = 262_144  # rows read in one step where few are kept; polars writes row groups of this size


def months(snapshot: Snapshot, use_case: UseCase) -> list[Month]:
    """Each month that may hold rows to predict: its first moment, and that of the month after it, in order."""
    files = table_files(snapshot, use_case.rows)
    if files != [f"{use_case.rows}.parquet"]:
        return sorted(month_span(file) for file in files)
    start = use_case.event_time.dt.truncate("1mo").alias("start")
    rows = read_file(snapshot, use_case.tables, files[0])
    with tell_time_errors(use_case.rows):
        starts = rows.filter(use_case.event_time.is_between(*POSSIBLE)).select(start)["start"]
    if starts.is_empty():
        raise InputError(f"data/{files[0]} holds no row with an event time")
    return [month_around(start) for start in starts.unique().sort()]


def month_span(file: str) -> Month:
    """First moment of a monthly file, and of the month after it."""
    try:
        return month_around(datetime.strptime(PurePosixPath(file).stem, "%Y-%m").replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        folder = PurePosixPath(file).parent
        raise InputError(f"data/{file}: name the files of data/{folder}/ by month, such as 2024-03.parquet") from None


def month_around(start: datetime) -> Month:
    return start, (start + timedelta(days=32)).replace(day=1)


def table_files(snapshot: Snapshot, table: str) -> list[str]:
    """The files of a table: NAME.parquet, or all of NAME/."""
    files = sorted(name for name in snapshot.files if re.fullmatch(rf"{table}(/.*)?\.parquet", name))
    if not files:
        raise InputError(
            f"data version {snapshot.version} lacks data/{table}.parquet or data/{table}/, "
            "which project/contract.py declares"
        )
    return files


def files_between(snapshot: Snapshot, use_case: UseCase, table: str, start: datetime, end: datetime) -> list[str]:
    """The files of a table that may hold rows of [start, end): of the rows to predict those of its months, else all."""
    files = table_files(snapshot, table)
    if table != use_case.rows or files == [f"{table}.parquet"]:
        return files
    return [file for file in files if month_span(file)[0] < end and start < month_span(file)[1]]


def read_table(snapshot: Snapshot, use_case: UseCase, table: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows of a table with a time in [start, end), as they are on disk; of a table that was always known, all.

    The time of a row is its event time in the table whose rows are predicted, elsewhere when it became known.
    """
    if table == use_case.rows:
        return read_event_rows(snapshot, use_case, start, end)
    time = use_case.tables[table].row_known_at
    asked = [] if time is None else [time >= start, time < end]
    parts = (part for file in table_files(snapshot, table) for part in read_slices(snapshot, use_case.tables, file))
    return pl.concat([keep(part, table, *asked) for part in parts], how="vertical_relaxed")


def know(use_case: UseCase, table: str, rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The rows of a table as they were known before as_of: later ones are left out, later outcomes are null."""
    with tell_time_errors(table):
        return as_known(use_case.tables[table], rows, as_of)


def read_event_rows(snapshot: Snapshot, use_case: UseCase, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows to predict with an event in [start, end); of monthly files only those are read that may hold one.

    Raises:
        InputError: A row has no event time, or lies in the file of another month: no run would ever see it.
    """
    files, event = files_between(snapshot, use_case, use_case.rows, start, end), use_case.event_time
    empty = use_case.predicted.empty
    rows = [empty, *(read_event_file(snapshot, use_case, file) for file in files)]
    return keep(pl.concat(rows, how="vertical_relaxed"), use_case.rows, start <= event, end > event)


def read_event_file(snapshot: Snapshot, use_case: UseCase, file: str) -> pl.DataFrame:
    """One file of the table whose rows are predicted, each with an event time, which lies in the month of the file."""
    rows, event = read_file(snapshot, use_case.tables, file), use_case.event_time
    outside = event.is_null()
    if file != f"{use_case.rows}.parquet":
        first, after = month_span(file)
        outside |= (first > event) | (after <= event)
    if strays := keep(rows, use_case.rows, outside).height:
        raise InputError(f"data/{file} holds {counted(strays, 'row')} without an event time or of another month (UTC)")
    return rows


def keep(rows: pl.DataFrame, table: str, *conditions: pl.Expr) -> pl.DataFrame:
    """The rows that meet all conditions on their times."""
    with tell_time_errors(table):
        return rows.filter(*conditions)


@contextmanager
def tell_time_errors(table: str) -> Generator[None]:
    """Say in one sentence that the times of a table cannot be computed."""
    try:
        yield
    except POLARS_ERRORS as error:
        raise InputError(f"data/{table}: its times cannot be computed: {first_line(error)}") from None


def read_file(snapshot: Snapshot, tables: Tables, file: str) -> pl.DataFrame:
    """The declared columns of one file of a snapshot."""
    return read_declared(snapshot.files[file], tables[table_of(file)], f"data/{file}")


def read_slices(snapshot: Snapshot, tables: Tables, file: str) -> Iterator[pl.DataFrame]:
    """The declared columns of one file of a snapshot, some rows at a time; at least one part, though it be empty."""
    for first in count(0, SLICE):
        part = read_declared(snapshot.files[file], tables[table_of(file)], f"data/{file}", (first, SLICE))
        yield part
        if part.height < SLICE:
            return


def table_of(file: str) -> str:
    """The table that a file of data/ belongs to."""
    return file.removesuffix(".parquet").split("/")[0]


def read_declared(
    source: Path | bytes, table: Table, name: str, rows: tuple[int, int | None] = (0, None)
) -> pl.DataFrame:
    """The columns that the contract declares for a table, of the declared kind.

    Args:
        source: A parquet file; it may lack columns that may be null, since a contract grows.
        table: As the contract declares it.
        name: What messages call the file.
        rows: The first row that is read, and how many from there; None is all.

    Raises:
        DataError: The file cannot be read, or its values cannot be those of the declared types.
    """
    try:
        present = pl.read_parquet_schema(source)
        columns = [column for column in table.columns if column in present]
        found = pl.scan_parquet(source, glob=False).select(columns).slice(*rows).collect()
    except (*POLARS_ERRORS, OSError) as error:
        raise DataError(f"{name} is no parquet file: {first_line(error)}") from None
    new = [column for column, kind in table.columns.items() if column not in present and kind.nullable]
    converted = convert(Raw(found.with_columns(pl.lit(None).alias(name) for name in new), frozenset()), table, name)
    for column in converted.lost:
        kind = f"{found.schema[column.name]}, but project/contract.py declares {converted.rows.schema[column.name]}"
        example = found[column.name].filter(column)[0]
        raise DataError(f"{name}: {column.name} is {kind}, which some values are not, such as {example}")
    return to_plain(converted.rows)
