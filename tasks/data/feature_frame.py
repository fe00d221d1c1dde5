"""The feature frame: features and target of every row, one month built at a time, and each month built once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
from prefect import task

from tasks.core.cache_keys import digest_rows, make_key
from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Validation
from tasks.core.use_case import UseCase
from tasks.core.workspace import workspace
from tasks.data.reader import Month, files_between, months, read_table, row_known_at
from tasks.data.snapshot import Snapshot
from tasks.data.validation import Count, separate_rows, validate_rows

ALWAYS, NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
META = ["key", "event_time", "known_at", "target", "watched"]  # all other columns of a feature frame are features
RESERVED = {*META, "score"}  # a check adds the score to the features
SOURCE = "tasks/data/*.py"  # the code that builds a partition, beside that of the use case


class Partition(NamedTuple):
    """The features of one month as of a moment, and what validation counted of its rows."""

    frame: pl.DataFrame
    counts: list[Count]
    settled_at: datetime  # when the last value of its rows became known: from then on as_of changes nothing


def watched_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """What a check looks at: the features, and what target.py declares as watched beside them."""
    features = frame.drop(META)
    return features if frame["watched"].dtype == pl.Null else features.hstack(frame["watched"].struct.unnest())


@task
def build_feature_frame(
    snapshot: Snapshot, use_case: UseCase, as_of: datetime, since: datetime | None, validation: Validation
) -> tuple[pl.DataFrame, list[Count]]:
    """Features of every row known before as_of, month by month; months that were built are reused.

    Args:
        snapshot: The data version.
        use_case: Contract, target and features.
        as_of: Nothing known at or after it is read.
        since: The first event time of interest; None is the beginning of the data.
        validation: The maximum share of bad rows.

    Returns:
        A frame of META and feature columns in event order, and what validation counted.
    """
    spans = months(snapshot, use_case)
    wanted = [(start, end) for start, end in spans if start < as_of and end > (since or ALWAYS)]
    if not wanted:
        first, last = spans[0][0], spans[-1][0]
        raise InputError(
            f"as_of {as_of:%Y-%m-%d %H:%M} lies outside the data, which reaches from {first:%Y-%m} to {last:%Y-%m}"
        )
    fixed, counts = read_fixed_tables(snapshot, use_case, as_of, validation)
    timed = {name: read_table(snapshot, use_case, name, ALWAYS, NEVER, NEVER) for name in timed_tables(use_case)}
    partitions, built = [], 0
    for span in wanted:
        history = {name: rows.filter(in_reach(use_case, use_case.known_at[name], span)) for name, rows in timed.items()}
        key = partition_key(snapshot, use_case, span, history, validation)
        found = find_partition(key, as_of)
        if found is None:
            found = build_partition(snapshot, use_case, fixed, history, span, as_of, validation)
            keep_partition(key, as_of, found)
            built += 1
        partitions.append(found)
    counts += [count for partition in partitions for count in partition.counts]
    refuse_empty(use_case, counts, as_of)
    print(f"features: {len(wanted)} months, {built} of them built and the others reused")
    return pl.concat([partition.frame for partition in partitions]), counts


def read_fixed_tables(
    snapshot: Snapshot, use_case: UseCase, as_of: datetime, validation: Validation
) -> tuple[dict[str, pl.DataFrame], list[Count]]:
    """The valid rows of the tables that were always known, and what validation counted of them."""
    fixed, counts = {}, []
    for table in (name for name in use_case.tables if name not in use_case.known_at):
        rows = read_table(snapshot, use_case, table, ALWAYS, as_of, as_of)
        fixed[table], count = validate_rows(use_case, table, rows, validation)
        counts.append(count)
    return fixed, counts


def timed_tables(use_case: UseCase) -> list[str]:
    """The tables whose rows became known at some time, other than that whose rows are predicted."""
    return [table for table in use_case.known_at if table != use_case.rows]


def in_reach(use_case: UseCase, time: pl.Expr, span: Month) -> pl.Expr:
    """Whether the features of a month's rows may be made of a row with this time."""
    return time.is_between(span[0] - use_case.lookback, span[1], closed="left")


def partition_key(
    snapshot: Snapshot, use_case: UseCase, span: Month, history: dict[str, pl.DataFrame], validation: Validation
) -> str:
    """What a partition depends on beside as_of: the data it is made of, code, settings and lock.

    Of a table in monthly files, or one that was always known, its files' hashes identify it. A table that grows in
    a single file would change the key of every month, so there the rows in reach of the month do.
    """
    start, end = span[0] - use_case.lookback, span[1]
    tables = [table for table in use_case.tables if table not in history]
    files = [file for table in tables for file in files_between(snapshot, use_case, table, start, end)]
    objects = {file: snapshot.hash_of(file) for file in sorted(files)}
    rows = {table: digest_rows(frame) for table, frame in history.items()}
    return make_key(SOURCE, *use_case.code, month=span[0], objects=objects, rows=rows, **validation.model_dump())


def build_partition(
    snapshot: Snapshot,
    use_case: UseCase,
    fixed: dict[str, pl.DataFrame],
    history: dict[str, pl.DataFrame],
    span: Month,
    as_of: datetime,
    validation: Validation,
) -> Partition:
    """Features of one month's rows, computed from that month and the lookback before it."""
    rows = read_table(snapshot, use_case, use_case.rows, span[0] - use_case.lookback, span[1], NEVER)
    times = use_case.known_at | {use_case.rows: row_known_at(use_case)}
    starts = use_case.known_at | {use_case.rows: use_case.event_time}
    current, tables, counts, settled_at = {}, dict(fixed), [], ALWAYS
    for table, everything in (history | {use_case.rows: rows}).items():
        settled_at = max(settled_at, everything.select(times[table].max()).item() or ALWAYS)
        known = everything.filter(times[table] < as_of)
        earlier, _ = separate_rows(use_case, table, known.filter(starts[table] < span[0]))
        current[table], count = validate_rows(use_case, table, known.filter(starts[table] >= span[0]), validation)
        tables[table] = pl.concat([earlier, current[table]])
        counts.append(count)
    return Partition(make_frame(use_case, current[use_case.rows], tables), counts, settled_at)


def make_frame(use_case: UseCase, rows: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """What identifies, times and labels each row, beside its features."""
    features = use_case.build_features(rows, tables)
    if taken := (RESERVED | use_case.watched.keys()) & set(features.columns):
        raise InputError(f"features.py makes a column {min(taken)!r}; that name is taken, choose another")
    watched = [values.alias(name) for name, values in use_case.watched.items()]
    meta = rows.select(
        key=pl.struct(use_case.key),
        event_time=use_case.event_time,
        known_at=use_case.known_at[use_case.rows],
        target=use_case.target,
        watched=pl.struct(watched) if watched else pl.lit(None),
    )
    return meta.cast({pl.selectors.numeric(): pl.Float64}).hstack(features)


def find_partition(key: str, as_of: datetime) -> Partition | None:
    """A cached month: the settled one serves every later as_of, an open one only the as_of it was built for."""
    settled = read_partition(settled_path(key))
    return settled if settled and settled.settled_at < as_of else read_partition(open_path(key, as_of))


def read_partition(path: Path) -> Partition | None:
    """A partition from its file; None if there is none, or if it is damaged: then it is built again."""
    try:
        kept = json.loads(pl.read_parquet_metadata(path)["partition"])
        counts = [Count(*count) for count in kept["counts"]]
        return Partition(pl.read_parquet(path), counts, datetime.fromisoformat(kept["settled_at"]))
    except (OSError, pl.exceptions.PolarsError, KeyError, ValueError):
        return None


def keep_partition(key: str, as_of: datetime, partition: Partition) -> None:
    """Write a partition where find_partition looks for it."""
    path = settled_path(key) if partition.settled_at < as_of else open_path(key, as_of)
    kept = json.dumps({"counts": partition.counts, "settled_at": partition.settled_at.isoformat()})
    with atomic_write(path) as part:
        partition.frame.write_parquet(part, metadata={"partition": kept})


def settled_path(key: str) -> Path:
    return workspace().features / f"{key}.parquet"


def open_path(key: str, as_of: datetime) -> Path:
    return workspace().features / f"{key}-{as_of:%Y%m%dT%H%M%S%f}.parquet"


def refuse_empty(use_case: UseCase, counts: list[Count], as_of: datetime) -> None:
    """Fail if a table has no row at all: that is a broken delivery."""
    for table in use_case.tables:
        if not sum(count.read for count in counts if count.table == table):
            raise InputError(f"the table {table} holds no row known before as_of {as_of:%Y-%m-%d %H:%M}")
