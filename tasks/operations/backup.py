"""Backups: all that cannot be made again, copied to a folder or s3://bucket/prefix while the loop runs."""

import json
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable

from tasks.core.errors import InputError
from tasks.core.handover import ANSWERS
from tasks.core.handover import FOLDER as HANDED_OVER
from tasks.core.locks import exclusive
from tasks.core.params import Data
from tasks.core.provenance import who
from tasks.core.store import store
from tasks.core.tables import Table, options
from tasks.core.workspace import CODE, workspace
from tasks.data.fetch import object_path, read_listing
from tasks.data.quarantine import DISMISSED, QUARANTINE
from tasks.data.snapshot import cache_folder, pull_snapshot
from tasks.data.versions import DATA_VERSIONS
from tasks.inference.prediction_log import PREDICTIONS
from tasks.operations.needed import needed_versions
from tasks.operations.places import Place, copy_missing, open_place, told_where
from tasks.registry.decision_log import DECISIONS

# What a table refers to is copied after it, so that it is in the backup whatever is written meanwhile.
TABLES = (PREDICTIONS, DECISIONS, DATA_VERSIONS, QUARANTINE, DISMISSED)
SETTINGS = ("params.yaml", "data.dvc", ".dvc/config")
SHARED, DONE = "shared", "backup.json"  # what all backups share; the last file of one, which says that it is whole
ELSEWHERE = ("reports/", f"{HANDED_OVER}/", f"{ANSWERS}/")  # made again, or copied before the tables


def back_up(address: str, last: int, data: Data) -> str:
    """Copy what cannot be made again; returns the name of the backup. Earlier ones beside it stay as they are.

    Args:
        address: A folder or s3://bucket/prefix.
        last: So many of the newest data versions are in it, beside those that a model on record needs.
        data: How long a fetch of a version may take.

    Raises:
        InputError: It cannot be written, or a version cannot be had.
    """
    refuse_inside(address)
    with told_where(address), exclusive("cleaning"):
        to, name = open_place(address), f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
        needed = needed_versions(last)
        copy_answers(to)
        tables = [copy_table(table, to, f"{name}/store") for table in TABLES]
        print(f"tables: {sum(tables):,} files")
        source = open_place(store().address)
        others = {file: size for file, size in source.list("").items() if is_kept(file)}
        print(
            f"models and findings: {copy_missing(source, others, to, f'{SHARED}/store'):,} of {len(others):,} are new"
        )
        copied = [copy_version(version, must, to, data) for version, must in (needed | needed_versions(last)).items()]
        print(f"data: {len(copied):,} versions, {sum(copied):,} objects are new")
        copy_settings(to, f"{name}/settings")
        to.write(f"{name}/{DONE}", json.dumps({"made_at": datetime.now(UTC).isoformat(), "by": who()}).encode())
    return name


def refuse_inside(address: str) -> None:
    """A backup that lies in what is backed up is lost with it."""
    inner = address if "://" in address else str(Path(address).resolve())
    for place in (store().address, str(workspace().root)):
        if f"{inner}/".startswith(f"{place}/"):
            raise InputError(f"{address} lies in {place}, and would be lost with it: name another disk or bucket")


def copy_answers(to: Place) -> None:
    """Copy what endpoints answered before the tables into which it is taken meanwhile; twice it counts once."""
    source = open_place(store().address)
    for name, size in source.list(ANSWERS).items():
        with suppress(FileNotFoundError):
            copy_missing(source, {f"{ANSWERS}/{name}": size}, to, f"{SHARED}/store")


def is_kept(file: str) -> bool:
    """Whether a file of the store is none of a table, of ELSEWHERE, or being written."""
    return not (in_table(file) or file.startswith(ELSEWHERE) or file.endswith(".part"))


def in_table(file: str) -> bool:
    """Whether a file of the store belongs to a table."""
    return file.split("/")[0] in {table.name for table in TABLES}


def copy_table(table: Table, to: Place, folder: str) -> int:
    """Copy one version of a table, which whoever writes meanwhile does not change; returns how many files it has."""
    if not DeltaTable.is_deltatable(table.address, storage_options=options()):
        return 0
    opened = DeltaTable(table.address, storage_options=options())
    source = open_place(table.address)
    log = [name for name in source.list("_delta_log") if name[:20].isdecimal() and int(name[:20]) <= opened.version()]
    names = [
        *(f"_delta_log/{name}" for name in log),
        *map(unquote, opened.get_add_actions().column("path").to_pylist()),
    ]
    for name in names:
        to.write(f"{folder}/{table.name}/{name}", source.read(name))
    return len(names)


def copy_version(version: str, must: bool, to: Place, data: Data) -> int:
    """Copy the objects of a data version that are not there yet, every one checked; returns how many were."""
    try:
        pull_snapshot.fn(version, data)
    except InputError as gone:
        if must:
            raise
        print(f"left out: {gone}")
        return 0
    cache = cache_folder()
    objects = [object_path(oid, cache) for oid in (version, *read_listing(version, cache).values())]
    files = {str(path.relative_to(cache)): path.stat().st_size for path in objects}
    return copy_missing(open_place(str(cache)), files, to, f"{SHARED}/data")


def copy_settings(to: Place, folder: str) -> None:
    """Copy settings and project, and the database of the local Prefect server, whole though it may be in use."""
    for name in SETTINGS:
        if (path := workspace().root / name).is_file():
            to.write(f"{folder}/{name}", path.read_bytes())
    for path in sorted((CODE / "project").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            to.write(f"{folder}/{path.relative_to(CODE)}", path.read_bytes())
    if workspace().prefect_database.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "prefect.db"
            with closing(sqlite3.connect(workspace().prefect_database)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
            to.write(f"{folder}/prefect.db", copy.read_bytes())
