"""Reading the tables of a snapshot as of a moment."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import polars as pl

from tasks.contract import EVENT_TIME, KNOWN_AT, ROWS, TABLES
from tasks.errors import InputError
from tasks.snapshot import Snapshot


def resolve_as_of(as_of: datetime | None, snapshot: Snapshot, clock: str) -> datetime:
    """The logical time of a run, in UTC: as given, or by the clock of params.yaml."""
    if as_of is None and clock == "wall":
        return datetime.now(UTC)
    if as_of is not None:
        return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    newest = read_file(snapshot, months(snapshot)[-1]).select(KNOWN_AT[ROWS].max()).item()
    return newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def months(snapshot: Snapshot) -> list[str]:
    """The monthly files of the table whose rows are predicted, in order."""
    files = sorted(name for name in snapshot.files if re.fullmatch(rf"{ROWS}/\d{{4}}-\d{{2}}\.parquet", name))
    if not files:
        raise InputError(f"data version {snapshot.version} holds no file data/{ROWS}/YYYY-MM.parquet")
    return files


def month_span(file: str) -> tuple[datetime, datetime]:
    """First moment of a monthly file, and of the month after it."""
    start = datetime.strptime(PurePosixPath(file).stem, "%Y-%m").replace(tzinfo=UTC)
    return start, (start + timedelta(days=32)).replace(day=1)


def read_table(snapshot: Snapshot, table: str, start: datetime, end: datetime, as_of: datetime) -> pl.DataFrame:
    """Rows of a table with a time in [start, end) and known before as_of, as they are on disk.

    The time of a row is its event time in the table whose rows are predicted, elsewhere when it became known.
    """
    if table == ROWS:
        spans = {file: month_span(file) for file in months(snapshot)}
        files = [file for file, (first, after) in spans.items() if first < end and start < after]
    else:
        files = [name for name in snapshot.files if name == f"{table}.parquet" or name.startswith(f"{table}/")]
        if not files:
            raise InputError(
                f"data version {snapshot.version} lacks data/{table}.parquet, which tasks/contract.py declares"
            )
    frames = [read_file(snapshot, file) for file in files]
    try:
        rows = pl.concat(frames) if frames else TABLES[table].create_empty()
        if table not in KNOWN_AT:
            return rows
        time = EVENT_TIME if table == ROWS else KNOWN_AT[table]
        return rows.filter(time >= start, time < end, pl.coalesce(KNOWN_AT[table], time) < as_of)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"data/{table}: its times cannot be computed: {str(error).splitlines()[0]}") from None


def read_file(snapshot: Snapshot, file: str) -> pl.DataFrame:
    """The declared columns of one file."""
    table = file.removesuffix(".parquet").split("/")[0]
    declared = TABLES[table].column_names()
    try:
        present = pl.read_parquet_schema(snapshot.files[file])
    except pl.exceptions.PolarsError as error:
        raise InputError(f"data/{file} is no parquet file: {str(error).splitlines()[0]}") from None
    if missing := [column for column in declared if column not in present]:
        raise InputError(f"data/{file} lacks the column {missing[0]!r}, which tasks/contract.py declares for {table}")
    return pl.read_parquet(snapshot.files[file], columns=declared)
