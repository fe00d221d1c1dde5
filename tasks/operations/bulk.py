"""Scores for the rows of a file of any size: part by part, so that memory is bounded and a stopped run goes on."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from tasks.core.cache_keys import make_key
from tasks.core.errors import InputError, first_line
from tasks.core.files import atomic_write
from tasks.core.params import Params
from tasks.core.use_case import UseCase
from tasks.core.workspace import workspace
from tasks.data.context import read_context, read_fixed_tables, read_timed_tables
from tasks.data.conversion import convert
from tasks.data.formats import Raw
from tasks.data.reader import Month, month_around
from tasks.data.snapshot import Snapshot
from tasks.data.validation import POSITION, check_rows
from tasks.features.index import Index
from tasks.inference.scorer import to_inputs
from tasks.registry.versions import Champion

AT_ONCE = 25_000  # rows of a part
MONTHS = 2  # whose index is held at once
SOURCE = "tasks/[di]*/*.py"  # the code that checks and scores, beside that of the use case
EACH = 5.0  # seconds between two lines of progress


class Bulk:
    """How the rows of one file are scored.

    Args:
        use_case: Contract, target and features.
        snapshot: The data version that features are made of.
        champion: Who scores.
        as_of: Nothing known at or after it is read.
        params: `validation` counts here.
    """

    def __init__(
        self, use_case: UseCase, snapshot: Snapshot, champion: Champion, as_of: datetime, params: Params
    ) -> None:
        self.use_case, self.snapshot, self.champion, self.as_of = use_case, snapshot, champion, as_of
        fixed, _ = read_fixed_tables(snapshot, use_case, params.validation)

        @lru_cache(1)
        def near_months_of(year: int) -> dict[Month, dict[str, pl.DataFrame]]:
            firsts = [datetime(year, month, 1, tzinfo=UTC) for month in range(1, 13)]
            return dict(read_timed_tables(snapshot, use_case, list(map(month_around, firsts))))

        @lru_cache(MONTHS)
        def index_of(start: datetime) -> Index:
            span = month_around(start)
            near = near_months_of(start.year)[span]
            return read_context(snapshot, use_case, fixed | near, span, as_of, params.validation).index

        self.index_of = index_of

    def prepare(self, rows: pl.DataFrame, name: str) -> "Prepared":
        """Check some rows of the file and make their features."""
        table = self.use_case.predicted
        told_later = [column for column in table.outcomes if column not in rows.columns]
        given = rows.with_columns(pl.lit(None).alias(column) for column in told_later)
        converted = convert(Raw(given, frozenset()), table, name)
        lost = converted.lost.select(pl.any_horizontal(pl.all()).alias("lost"))["lost"]
        checked = check_rows(table, name, converted.rows.with_row_index(POSITION).filter(~lost))
        month = self.use_case.event_time.dt.truncate("1mo")
        inputs = [
            (part[POSITION], to_inputs(self.use_case.feature_values(part.drop(POSITION), self.index_of(start))))
            for (start,), part in checked.valid.group_by(month.alias("month"), maintain_order=True)
        ]
        broken = checked.quarantined.select(POSITION, pl.col("broken_rules").list.join(", "))
        return Prepared(converted.rows.select(table.key).with_row_index(POSITION), broken, inputs)

    def score(self, prepared: "Prepared") -> pl.DataFrame:
        """The key of each row, its score and the version; without a score, why not."""
        scorer = self.champion.bundle.scorer
        scored = [pl.DataFrame({POSITION: at, "score": scorer.run(inputs)}) for at, inputs in prepared.inputs]
        empty = pl.DataFrame(schema={POSITION: pl.UInt32, "score": pl.Float64})
        found = prepared.keys.join(pl.concat([empty, *scored]), on=POSITION, how="left", maintain_order="left")
        found = found.join(prepared.broken, on=POSITION, how="left", maintain_order="left").drop(POSITION)
        lost = pl.when(pl.col("score").is_null()).then(pl.lit("a value that does not fit its column, or a double"))
        return found.with_columns(version=pl.lit(self.champion.version), broken_rules=pl.coalesce("broken_rules", lost))


class Prepared(NamedTuple):
    """The keys of some rows, which of them break a rule, and the features of the others by month."""

    keys: pl.DataFrame
    broken: pl.DataFrame
    inputs: list[tuple[pl.Series, dict[str, Any]]]


def score_file(source: str, target: str, bulk: Bulk) -> int:
    """Score the rows of a parquet file or folder, in their order; returns how many there are.

    Args:
        source: A file, a folder of files, or s3://bucket/name.
        target: Where the parquet file goes: key, score, version and for rows without a score why.
        bulk: How.

    Raises:
        InputError: The file cannot be read, or the target not be written.
    """
    files = open_files(source)
    total, parts = sum(file.metadata.num_rows for file in files), open_parts(source, bulk)
    done, begun, told, fresh = 0, time.monotonic(), time.monotonic(), 0
    waiting: list[tuple[Path, Future[pl.DataFrame]]] = []
    with ThreadPoolExecutor(1) as scoring:  # onnxruntime works while the next features are made
        for number, rows in enumerate(read_parts(files)):
            path = parts / f"{number:07d}.parquet"
            done += rows.num_rows
            if not path.is_file():
                fresh += rows.num_rows
                prepared = bulk.prepare(pl.DataFrame(pa.table(rows)), source)
                if waiting:
                    keep_part(waiting.pop())
                waiting.append((path, scoring.submit(bulk.score, prepared)))
            if time.monotonic() - told > EACH:
                told = time.monotonic()
                print(f"{done:,} of {total:,} rows, {fresh / (told - begun):,.0f} rows a second", flush=True)
        for last in waiting:
            keep_part(last)
    write_target(parts, target)
    shutil.rmtree(parts)
    return total


def keep_part(scored: tuple[Path, Future[pl.DataFrame]]) -> None:
    """Write a part, whole or not at all."""
    path, future = scored
    with atomic_write(path) as part:
        future.result().write_parquet(part)


def find_files(source: str) -> list[str]:
    """The names of a file, or of the parquet files of a folder or prefix."""
    place, root = url_to_fs(source)
    return sorted(name for name in place.find(root) if name.endswith(".parquet")) if place.isdir(root) else [root]


def open_files(source: str) -> list[pq.ParquetFile]:
    """The parquet files of a file, a folder or a prefix.

    Raises:
        InputError: There is none with rows, or one cannot be read.
    """
    try:
        place, _ = url_to_fs(source)
        found = [pq.ParquetFile(place.open(name)) for name in find_files(source)]
    except Exception as error:  # whatever a client of an object store raises
        raise InputError(f"{source} cannot be read as parquet: {first_line(error)}") from None
    if not sum(file.metadata.num_rows for file in found):
        raise InputError(f"{source} holds no parquet file with rows")
    return found


def read_parts(files: list[pq.ParquetFile]) -> Iterator[pa.RecordBatch]:
    """The rows in parts, always the same ones."""
    for file in files:
        yield from file.iter_batches(AT_ONCE)


def open_parts(source: str, bulk: Bulk) -> Path:
    """Where the parts lie: of the same file, version, data and code a stopped run left some."""
    place, root = url_to_fs(source)
    files = {name: place.ukey(name) for name in find_files(source)}
    facts = {"files": files, "root": root, "version": bulk.champion.version, "as_of": bulk.as_of.isoformat()}
    facts |= {"model": bulk.use_case.model, "data": bulk.snapshot.version}
    folder = workspace().bulk / make_key(SOURCE, *bulk.use_case.code, **facts)
    folder.mkdir(parents=True, exist_ok=True)
    if left := len(list(folder.glob("*.parquet"))):
        print(f"goes on after {left:,} parts of a run that was stopped")
    return folder


def write_target(parts: Path, target: str) -> None:
    """The parts as one file."""
    whole = parts / "whole"
    files = sorted(parts.glob("*.parquet"))
    with pq.ParquetWriter(whole, pq.read_schema(files[0]), compression="zstd") as writer:
        for file in files:
            writer.write_table(pq.read_table(file))
    try:
        place, root = url_to_fs(target)
        if "file" in place.protocol:
            with atomic_write(Path(root)) as part:
                shutil.copyfile(whole, part)
        else:
            place.put_file(str(whole), root)
    except Exception as error:  # whatever a client of an object store raises
        raise InputError(f"{target} cannot be written: {first_line(error)}; all parts are kept in {parts}") from None
