"""Files that landed and are not part of the data yet. Another kind of source replaces `read_landed` alone."""

import json
from datetime import timedelta
from typing import Any, NamedTuple

import polars as pl
from botocore.exceptions import BotoCoreError
from fsspec.core import url_to_fs
from prefect import task
from prefect.utilities.timeout import timeout

from tasks.core.errors import InputError
from tasks.core.workspace import workspace
from tasks.data.reader import read_declared
from tasks.data.snapshot import Snapshot
from tasks.features.table import Tables

LEDGER = "ledger.json"  # in data/, so that which files landed is part of the version that holds their rows


class Landed(NamedTuple):
    """A file of the landing place."""

    name: str
    mark: str  # tells this content of the name from an earlier one
    table: str
    rows: pl.DataFrame


def read_ledger(snapshot: Snapshot) -> dict[str, str]:
    """The mark of each file that landed, by name."""
    file = snapshot.files.get(LEDGER)
    return json.loads(file.read_bytes()) if file else {}


@task
def read_landed(source: str, tables: Tables, snapshot: Snapshot, limit: timedelta) -> list[Landed]:
    """The files SOURCE/TABLE/*.parquet that no version holds yet, in the order of their names.

    Args:
        source: A folder of the workspace, or s3://bucket/prefix (AWS_* variables give address and credentials).
        tables: As the contract declares them.
        snapshot: The current version, whose ledger says what landed already.
        limit: How long that may take.

    Raises:
        InputError: A file cannot be used, or the source cannot be read in time.
    """
    try:
        with timeout(limit.total_seconds()):
            return read_new(source, tables, read_ledger(snapshot))
    except TimeoutError:
        seconds = limit.total_seconds()
        raise InputError(f"{source} did not answer within data.timeout ({seconds:g} s): nothing was taken in") from None
    except (OSError, BotoCoreError) as error:
        raise InputError(f"{source} cannot be read: {error}; look at ingest.source and the AWS_* variables") from None


def read_new(source: str, tables: Tables, ledger: dict[str, str]) -> list[Landed]:
    """The files that the ledger does not hold."""
    files, root = url_to_fs(source if "://" in source else str(workspace().root / source))
    files.invalidate_cache()
    if "://" in source and not files.exists(root.split("/")[0]):
        raise InputError(f"ingest.source names {source}, but there is no such bucket")
    landed = []
    for path in sorted(files.glob(f"{root}/*/*.parquet")):
        table, file = str(path).split("/")[-2:]
        name, mark = f"{table}/{file}", mark_of(files.info(path))
        if table not in tables:
            raise InputError(f"{source}/{name}: there is no table {table} in project/contract.py")
        if ledger.get(name) != mark:
            rows = read_declared(files.cat_file(path), tables[table].schema, f"{source}/{name}")
            landed.append(Landed(name, mark, table, rows))
    return landed


def mark_of(file: dict[str, Any]) -> str:
    """What tells the content of a file from an earlier one: a store's tag, or size and time of change."""
    return str(file.get("ETag") or (file["size"], file.get("mtime")))
