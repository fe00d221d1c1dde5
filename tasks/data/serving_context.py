"""The context that endpoints make features of: the rows of the last days of each table, handed over with the data."""

import io
from datetime import datetime

import polars as pl

from tasks.core.handover import ContextTable, ServingContext, keep_context_file
from tasks.core.params import Params
from tasks.core.use_case import UseCase
from tasks.data.context import ALWAYS, NEVER, reach_of
from tasks.data.reader import read_table
from tasks.data.snapshot import Snapshot
from tasks.data.validation import separate_rows


def hand_over_context(snapshot: Snapshot, use_case: UseCase, as_of: datetime, params: Params) -> ServingContext:
    """Hand the newest rows of the tables that a model's features are made of to the endpoints.

    They are not cut at as_of: a feature sees nothing that became known after the prediction time of its own row.

    Args:
        snapshot: The data version.
        use_case: Contract, target and features.
        as_of: The logical time.
        params: `serve` and `clock` count here.
    """
    start = as_of - params.serve.history
    tables = {name: read_rows(snapshot, use_case, name, start) for name in sorted(use_case.used)}
    contents = {name: to_parquet(rows) for name, rows in tables.items()}
    context = ServingContext(
        data_version=snapshot.version,
        as_of=as_of,
        start=start,
        until=as_of + params.serve.horizon if params.clock == "data" else None,
        tables={
            name: ContextTable(
                digest=keep_context_file(contents[name]), newest=newest_known(use_case, name, rows, as_of)
            )
            for name, rows in tables.items()
        },
    )
    context.write(use_case.model)
    return context


def read_rows(snapshot: Snapshot, use_case: UseCase, name: str, start: datetime) -> pl.DataFrame:
    """The valid rows of a table that features of events since a moment may be made of."""
    since, _ = reach_of(use_case, (start, start))
    valid, _ = separate_rows(use_case.tables, name, read_table(snapshot, use_case, name, since, NEVER))
    return valid


def to_parquet(rows: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.write_parquet(content, compression="zstd")
    return content.getvalue()


def newest_known(use_case: UseCase, name: str, rows: pl.DataFrame, as_of: datetime) -> datetime | None:
    """When the last row of a table, or its outcomes where it has some, became known before as_of.

    None where the table was always known; the beginning of time where it holds no such row.
    """
    declared = use_case.tables[name]
    time = declared.history_time(of_outcomes=bool(declared.outcomes))
    if time is None:
        return None
    return rows.select(time.filter(time < as_of).max()).item() or ALWAYS
