"""The feature frame: features and target of every row, one month built at a time, and each month built once."""

import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl
from prefect import task

from tasks.core.cache_keys import digest_rows, make_key
from tasks.core.errors import InputError, counted
from tasks.core.files import atomic_write
from tasks.core.params import Validation
from tasks.core.use_case import META, UseCase
from tasks.core.workspace import workspace
from tasks.data.context import (
    ALWAYS,
    Context,
    reach_of,
    read_context,
    read_fixed_tables,
    read_timed_tables,
)
from tasks.data.reader import Month, files_between, months
from tasks.data.snapshot import Snapshot
from tasks.data.validation import Count
from tasks.features.table import POLARS_ERRORS

SOURCE = "tasks/data/*.py"  # the code that builds a partition, beside that of the use case


class Partition(NamedTuple):
    """The features of one month as of a moment, and what validation counted of its rows."""

    frame: pl.DataFrame
    counts: list[Count]
    settled_at: datetime  # when the last value that it is made of became known: from then on as_of changes nothing


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
        A frame of META and feature columns, in the order of months and files, and what validation counted.
    """
    spans = months(snapshot, use_case)
    asked_until = as_of + use_case.reach.lead
    wanted = [(start, end) for start, end in spans if start < asked_until and end > (since or ALWAYS)]
    if not wanted:
        first, last = spans[0][0], spans[-1][0]
        raise InputError(
            f"as_of {as_of:%Y-%m-%d %H:%M} lies outside the data, which reaches from {first:%Y-%m} to {last:%Y-%m}"
        )
    fixed, counts = read_fixed_tables(snapshot, use_case, validation)
    partitions, built, checked = [], 0, False
    for span, near in read_timed_tables(snapshot, use_case, wanted):
        key = partition_key(snapshot, use_case, span, near, validation)
        found = find_partition(key, as_of)
        if found is None:
            context = read_context(snapshot, use_case, fixed | near, span, as_of, validation)
            found = build_partition(use_case, context, check=not checked)
            checked |= context.rows.height > 0
            keep_partition(key, as_of, found)
            built += 1
        partitions.append(found)
    counts += [count for partition in partitions for count in partition.counts]
    if as_of > wanted[0][0]:
        refuse_empty(use_case, counts, as_of)
    require_alike(wanted, partitions)
    left = any(count.quarantined for count in counts)
    told = "; without the rows that break the contract (ml quarantine lists them)" if left else ""
    print(f"features of {counted(len(wanted), 'month')}: {built} built, {len(wanted) - built} reused{told}")
    return pl.concat([partition.frame for partition in partitions]), counts


def partition_key(
    snapshot: Snapshot, use_case: UseCase, span: Month, near: dict[str, pl.DataFrame], validation: Validation
) -> str:
    """What a partition depends on beside as_of: the data it is made of, code, settings and lock.

    Of a table in monthly files, or one that was always known, its files' hashes identify it. A table that grows in
    a single file would change the key of every month, so there the rows in reach of the month do.
    """
    start, end = reach_of(use_case, span)
    tables = [table for table in use_case.tables if table not in near]
    files = [file for table in tables for file in files_between(snapshot, use_case, table, start, end)]
    objects = {file: snapshot.hash_of(file) for file in sorted(files)}
    rows = {table: digest_rows(frame) for table, frame in near.items()}
    tolerance = validation.model_dump(include={"max_bad_share", "max_bad_rows"})
    key = make_key(SOURCE, *use_case.code, month=span[0], objects=objects, rows=rows, **tolerance)
    return f"{use_case.model}-{key}"


def build_partition(use_case: UseCase, context: Context, check: bool) -> Partition:
    """Features of one month's rows, beside what identifies, times and labels each."""
    rows, index = context.rows, context.index
    features = use_case.build_features(rows, index)
    if check:
        use_case.check_alone(rows, index, features)
    watched = [values.alias(name) for name, values in use_case.watched.items()]
    meta = rows.select(
        key=pl.struct(use_case.key),
        event_time=use_case.event_time,
        label_time=use_case.label_time,
        target=use_case.target,
        watched=pl.struct(watched) if watched else pl.lit(None),
    )
    frame = meta.cast({pl.selectors.numeric(): pl.Float64}).hstack(features)
    return Partition(frame, context.counts, context.settled_at)


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
    except (OSError, *POLARS_ERRORS, KeyError, ValueError):
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


def require_alike(months: list[Month], partitions: list[Partition]) -> None:
    """Fail if the features of some month have other names, another order or other types than those of the first."""
    (first, _), schema = months[0], partitions[0].frame.drop(META).schema
    for (start, _), partition in zip(months, partitions, strict=True):
        made = partition.frame.drop(META).schema
        if list(made.items()) != list(schema.items()):
            odd = [name for name in made | schema if made.get(name) != schema.get(name)]
            what = f", such as {odd[0]}" if odd else ", in another order"
            raise InputError(
                f"features.py makes other features of {start:%Y-%m} than of {first:%Y-%m}{what}: make the same of "
                "each row, whatever its values"
            )


def refuse_empty(use_case: UseCase, counts: list[Count], as_of: datetime) -> None:
    """Fail if a table that the model is made of has no row at all: that is a broken delivery."""
    for table in sorted(use_case.used):
        if not sum(count.read for count in counts if count.table == table):
            raise InputError(f"the table {table} holds no row known before as_of {as_of:%Y-%m-%d %H:%M}")
