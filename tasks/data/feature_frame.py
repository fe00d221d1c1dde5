"""The month is the unit of work: its valid rows and their features, in constant memory, built once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
from prefect import task

from project.contract import EVENT_TIME, KEY, KNOWN_AT, ROWS, TABLES, TARGET, WATCHED
from project.late_arrivals.features import LOOKBACK, build_features
from tasks.core.cache_keys import make_key
from tasks.core.digests import META, digest_rows
from tasks.core.errors import InputError
from tasks.core.files import written_whole
from tasks.core.params import STORE, Validation
from tasks.data.reader import months, read_table
from tasks.data.snapshot import Snapshot
from tasks.data.validation import Count, separate_rows, validate_rows

ALWAYS = datetime(1, 1, 1, tzinfo=UTC)


class Inputs(NamedTuple):
    """The rows a partition is made of, as they are on disk: those of its month, and those of LOOKBACK before it."""

    current: dict[str, pl.DataFrame]
    earlier: dict[str, pl.DataFrame]


@task
def build_feature_frame(
    snapshot: Snapshot, as_of: datetime, since: datetime | None, validation: Validation
) -> tuple[pl.DataFrame, list[Count]]:
    """Features of every row known before as_of, month by month; months that were built are reused.

    Args:
        snapshot: The data version.
        as_of: Nothing known at or after it is read.
        since: The first event time of interest; None is the beginning of the data.
        validation: What share of bad rows is borne.

    Returns:
        A frame of META and feature columns in event order, and what validation counted.
    """
    spans = months(snapshot)
    wanted = [(start, end) for start, end in spans if start < as_of and end > (since or ALWAYS)]
    if not wanted:
        first, last = spans[0][0], spans[-1][0]
        raise InputError(
            f"as_of {as_of:%Y-%m-%d %H:%M} lies outside the data, which reaches from {first:%Y-%m} to {last:%Y-%m}"
        )
    fixed, counts = {}, []
    for table in TABLES.keys() - KNOWN_AT.keys():
        fixed[table], count = validate_rows(table, read_table(snapshot, table, ALWAYS, as_of, as_of), validation)
        counts.append(count)
    frames, built = [], 0
    for start, end in wanted:
        inputs = read_inputs(snapshot, start, end, as_of)
        path = STORE / "features" / f"{partition_key(inputs, fixed, validation)}.parquet"
        if not path.is_file():
            keep_partition(path, *build_partition(inputs, fixed, validation))
            built += 1
        frames.append(pl.read_parquet(path))
        counts += [Count(*count) for count in json.loads(pl.read_parquet_metadata(path)["counts"])]
    refuse_empty(counts, as_of)
    print(f"features: {len(wanted)} months, {built} of them built and the others reused")
    return pl.concat(frames), counts


def read_inputs(snapshot: Snapshot, start: datetime, end: datetime, as_of: datetime) -> Inputs:
    """What the features of the rows with an event in [start, end) may be made of."""
    current = {table: read_table(snapshot, table, start, end, as_of) for table in KNOWN_AT}
    earlier = {table: read_table(snapshot, table, start - LOOKBACK, start, as_of) for table in KNOWN_AT}
    return Inputs(current, earlier)


def partition_key(inputs: Inputs, fixed: dict[str, pl.DataFrame], validation: Validation) -> str:
    """What a partition depends on: the content of its rows, not the files they lie in."""
    tables = [*sorted(fixed.items()), *inputs.current.items(), *inputs.earlier.items()]
    rows = [(name, digest_rows(frame)) for name, frame in tables]
    return make_key("data/feature_frame", rows=rows, **validation.model_dump())


def build_partition(
    inputs: Inputs, fixed: dict[str, pl.DataFrame], validation: Validation
) -> tuple[pl.DataFrame, list[Count]]:
    """META and features of the current rows, and what validation counted of them."""
    current, tables, counts = {}, dict(fixed), []
    for table, rows in inputs.current.items():
        current[table], count = validate_rows(table, rows, validation)
        earlier, _ = separate_rows(table, inputs.earlier[table])
        tables[table] = pl.concat([earlier, current[table]])
        counts.append(count)
    rows = current[ROWS]
    features = build_features(rows, tables)
    if taken := set(META) & set(features.columns):
        raise InputError(f"features.py makes a column {min(taken)!r}; that name is taken, choose another")
    meta = rows.select(
        key=pl.struct(KEY),
        event_time=EVENT_TIME,
        known_at=KNOWN_AT[ROWS],
        target=TARGET,
        watched=pl.struct([values.alias(name) for name, values in WATCHED.items()]) if WATCHED else pl.lit(None),
    )
    return meta.cast({pl.selectors.numeric(): pl.Float64}).hstack(features), counts


def keep_partition(path: Path, frame: pl.DataFrame, counts: list[Count]) -> None:
    """Write a partition and its counts."""
    with written_whole(path) as part:
        frame.write_parquet(part, metadata={"counts": json.dumps(counts)})


def refuse_empty(counts: list[Count], as_of: datetime) -> None:
    """A table without a single row is a broken delivery, not a fact."""
    for table in TABLES:
        if not sum(count.read for count in counts if count.table == table):
            raise InputError(f"the table {table} holds no row known before as_of {as_of:%Y-%m-%d %H:%M}")
