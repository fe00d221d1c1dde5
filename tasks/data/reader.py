"""Reading the tables of a snapshot as of a moment."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import polars as pl

from project.contract import EVENT_TIME, KNOWN_AT, PREDICTION_TIME, ROWS, TABLES
from tasks.core.errors import InputError
from tasks.data.snapshot import Snapshot

MOMENTS = (pl.Date, pl.Datetime)
SKEW = timedelta(hours=1)  # by which the clock of another machine may be ahead


def resolve_as_of(as_of: datetime | None, snapshot: Snapshot, clock: str) -> datetime:
    """The logical time of a run, in UTC: as given, or by the clock of params.yaml.

    Raises:
        InputError: It lies in the future, where it would stop every later move of the champion.
    """
    now = datetime.now(UTC)
    if as_of is None:
        return now if clock == "wall" else newest_outcome(snapshot, now)
    as_of = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    if as_of > now + SKEW:
        raise InputError(f"as_of {as_of:%Y-%m-%d %H:%M} lies in the future: is the year right?")
    return as_of


def newest_outcome(snapshot: Snapshot, now: datetime) -> datetime:
    """The first full hour after the newest outcome of the data; outcomes dated later than now do not count."""
    for start, end in reversed(months(snapshot)):
        newest = read_event_rows(snapshot, start, end).select(KNOWN_AT[ROWS].filter(KNOWN_AT[ROWS] <= now).max()).item()
        if newest is not None:
            return newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    raise InputError(f"data version {snapshot.version} holds no row of {ROWS} with a known outcome")


def months(snapshot: Snapshot) -> list[tuple[datetime, datetime]]:
    """Each month that may hold rows to predict: its first moment, and that of the month after it, in order."""
    files = table_files(snapshot, ROWS)
    if files != [f"{ROWS}.parquet"]:
        return [month_span(file) for file in files]
    starts = read_file(snapshot, files[0]).select(EVENT_TIME.dt.truncate("1mo").alias("start"))["start"].drop_nulls()
    if starts.is_empty():
        raise InputError(f"data/{files[0]} holds no row with an event time")
    return [month_around(start) for start in starts.unique().sort()]


def month_span(file: str) -> tuple[datetime, datetime]:
    """First moment of a monthly file, and of the month after it."""
    try:
        return month_around(datetime.strptime(PurePosixPath(file).stem, "%Y-%m").replace(tzinfo=UTC))
    except ValueError:
        raise InputError(f"data/{file}: name the files of data/{ROWS}/ by month, such as 2024-03.parquet") from None


def month_around(start: datetime) -> tuple[datetime, datetime]:
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


def read_table(snapshot: Snapshot, table: str, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
    """Rows of a table with a time in [start, end) and known before as_of, as they are on disk.

    A row to predict is known from its prediction time on; once its outcome is known, from then on.
    The time of a row is its event time in the table whose rows are predicted, elsewhere when it became known.
    """
    if table == ROWS:
        rows = read_event_rows(snapshot, start, end)
        return rows.filter(pl.coalesce(KNOWN_AT[ROWS], PREDICTION_TIME) < as_of)
    rows = read_files(snapshot, table, table_files(snapshot, table))
    time = KNOWN_AT.get(table)
    return rows if time is None else keep(rows, table, time >= start, time < end, time < as_of)


def read_event_rows(snapshot: Snapshot, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows to predict with an event in [start, end); of monthly files only those are read that may hold one.

    Raises:
        InputError: A row has no event time, or lies in the file of another month: no run would ever see it.
    """
    files = table_files(snapshot, ROWS)
    if files != [f"{ROWS}.parquet"]:
        files = [file for file in files if month_span(file)[0] < end and start < month_span(file)[1]]
    rows = [TABLES[ROWS].create_empty(), *(read_event_file(snapshot, file) for file in files)]
    return keep(pl.concat(rows, how="vertical_relaxed"), ROWS, start <= EVENT_TIME, end > EVENT_TIME)


def read_event_file(snapshot: Snapshot, file: str) -> pl.DataFrame:
    """One file of the table whose rows are predicted, each with an event time, which lies in the month of the file."""
    rows, outside = read_file(snapshot, file), EVENT_TIME.is_null()
    if file != f"{ROWS}.parquet":
        first, after = month_span(file)
        outside |= (first > EVENT_TIME) | (after <= EVENT_TIME)
    if strays := keep(rows, ROWS, outside).height:
        raise InputError(f"data/{file} holds {strays:,} rows without an event time or of another month (UTC)")
    return rows


def keep(rows: pl.DataFrame, table: str, *conditions: pl.Expr) -> pl.DataFrame:
    """The rows that meet all conditions on their times."""
    try:
        return rows.filter(*conditions)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"data/{table}: its times cannot be computed: {str(error).splitlines()[0]}") from None


def read_files(snapshot: Snapshot, table: str, files: list[str]) -> pl.DataFrame:
    if not files:
        return TABLES[table].create_empty()
    return pl.concat([read_file(snapshot, file) for file in files], how="vertical_relaxed")


def read_file(snapshot: Snapshot, file: str) -> pl.DataFrame:
    """The declared columns of one file of a snapshot."""
    return read_declared(snapshot.files[file], file.removesuffix(".parquet").split("/")[0], f"data/{file}")


def read_declared(source: Path | bytes, table: str, name: str) -> pl.DataFrame:
    """The columns that the contract declares for a table, of the declared kind.

    Args:
        source: A parquet file.
        table: Whose columns.
        name: What messages call the file.
    """
    try:
        present = pl.read_parquet_schema(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{name} is no parquet file: {str(error).splitlines()[0]}") from None
    for column, declared in TABLES[table].create_empty().schema.items():
        if column not in present:
            raise InputError(f"{name} lacks the column {column!r}, which project/contract.py declares for {table}")
        if not is_castable(present[column], declared):
            raise InputError(f"{name}: {column} is {present[column]}, but project/contract.py declares {declared}")
    return pl.read_parquet(source, columns=TABLES[table].column_names())


def is_castable(present: pl.DataType, declared: pl.DataType) -> bool:
    """Whether values of a type may be taken as another: numbers as numbers, times as times, nulls as anything."""
    alike = (present.is_numeric() and declared.is_numeric()) or (present in MOMENTS and declared in MOMENTS)
    return alike or present in (declared, pl.Null)
