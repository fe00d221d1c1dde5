"""Backups: all that cannot be made again, copied to a folder or s3://bucket/prefix while the loop runs."""

import json
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from deltalake import DeltaTable
from fsspec.core import url_to_fs

from tasks.core.errors import InputError, StoreError, first_line, without_secrets
from tasks.core.files import atomic_write
from tasks.core.locks import exclusive
from tasks.core.params import Data
from tasks.core.provenance import who
from tasks.core.store import store
from tasks.core.tables import Table, options
from tasks.core.workspace import CODE, workspace
from tasks.data.fetch import object_path, read_listing
from tasks.data.quarantine import QUARANTINE
from tasks.data.snapshot import cache_folder, pull_snapshot
from tasks.data.versions import DATA_VERSIONS, find_current, known_versions
from tasks.data.working_copy import place_version
from tasks.inference.prediction_log import PREDICTIONS
from tasks.operations.needed import needed_versions
from tasks.registry.decision_log import DECISIONS

# What a table refers to is copied after it, so that it is in the backup whatever is written meanwhile.
TABLES = (PREDICTIONS, DECISIONS, DATA_VERSIONS, QUARANTINE)
SETTINGS = ("params.yaml", "data.dvc", ".dvc/config")
SHARED, DONE = "shared", "backup.json"  # what all backups share; the last file of one, which says that it is whole
REPORTS = "reports/"  # are made again


class Place(NamedTuple):
    """A folder, or a prefix of an object store."""

    files: Any
    root: str

    def list(self, folder: str) -> dict[str, int]:
        """The size of each file below a folder, by its name there."""
        base = f"{self.root}/{folder}".rstrip("/")
        try:
            found = self.files.find(base, detail=True)
        except FileNotFoundError:
            return {}
        return {str(path).removeprefix(f"{base}/"): facts["size"] for path, facts in found.items()}

    def read(self, name: str) -> bytes:
        return self.files.cat_file(f"{self.root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all."""
        if "file" in self.files.protocol:
            with atomic_write(Path(self.root) / name) as part:
                part.write_bytes(content)
        else:
            self.files.pipe_file(f"{self.root}/{name}", content)


def open_place(address: str) -> Place:
    """A folder or s3://bucket/prefix."""
    files, root = url_to_fs(address if "://" in address else str(Path(address).resolve()))
    files.invalidate_cache()
    return Place(files, str(root).rstrip("/"))


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


@contextmanager
def told_where(address: str) -> Generator[None]:
    """Say in one sentence that a place cannot be read or written."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a client of an object store has exceptions of its own
        where, why = without_secrets(address), first_line(error)[:200]
        raise StoreError(f"{where} cannot be used: {why}; look at its permissions or the AWS_* variables") from None


def is_kept(file: str) -> bool:
    """Whether a file of the store is neither of a table, nor a report, nor being written."""
    return not (in_table(file) or file.startswith(REPORTS) or file.endswith(".part"))


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


def copy_missing(source: Place, files: dict[str, int], to: Place, folder: str) -> int:
    """Copy the files that are not there yet; what they hold follows from their names. Returns how many were."""
    there = to.list(folder)
    missing = [name for name, size in files.items() if there.get(name) != size]
    for name in missing:
        to.write(f"{folder}/{name}".lstrip("/"), source.read(name))
    return len(missing)


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


def restore(address: str, name: str | None) -> tuple[str, list[str]]:
    """Bring a backup into this workspace, whose store must be empty, or be of that backup.

    Args:
        address: Where `back_up` put it.
        name: Of the backup; None is the newest whole one.

    Returns:
        Its name, and what was left as it is, a sentence each.

    Raises:
        InputError: There is no such backup, or the store holds something else.
    """
    with told_where(address):
        source = open_place(address)
        name = find_backup(source, name)
        to, tables = open_place(store().address), source.list(f"{name}/store")
        refuse_other(to, tables)
        copy_missing(part(source, f"{SHARED}/store"), source.list(f"{SHARED}/store"), to, "")
        cache = open_place(str(cache_folder()))
        copy_missing(part(source, f"{SHARED}/data"), source.list(f"{SHARED}/data"), cache, "")
        left = restore_settings(source, f"{name}/settings")
        for table in reversed(TABLES):  # what decides comes last
            files = {file: size for file, size in tables.items() if file.startswith(f"{table.name}/")}
            copy_missing(part(source, f"{name}/store"), files, to, "")
    return name, left


def part(place: Place, folder: str) -> Place:
    """A folder of a place."""
    return Place(place.files, f"{place.root}/{folder}")


def find_backup(source: Place, name: str | None) -> str:
    """The name of a whole backup, by default of the newest."""
    names = [PurePosixPath(path).name for path in source.files.ls(source.root, detail=False)]
    whole = sorted(found for found in names if source.files.exists(f"{source.root}/{found}/{DONE}"))
    if not whole:
        raise InputError(f"{source.root} holds no whole backup, as `ml backup` makes one")
    if name is not None and name not in whole:
        raise InputError(f"{source.root} holds no whole backup {name}: it holds {', '.join(whole)}")
    return name or whole[-1]


def refuse_other(to: Place, tables: dict[str, int]) -> None:
    """Refuse to mix a record with that of a backup."""
    there = {file: size for file, size in to.list("").items() if in_table(file)}
    if other := sorted(file for file, size in there.items() if tables.get(file) != size):
        raise InputError(f"{to.root} holds a record of its own ({other[0]}): move it elsewhere, then restore")


def restore_settings(source: Place, folder: str) -> list[str]:
    """Put settings where there are none; returns a sentence for each that is another here."""
    left, targets = (
        [],
        {name: workspace().root / name for name in SETTINGS} | {"prefect.db": workspace().prefect_database},
    )
    for name, target in targets.items():
        if name not in source.list(folder):
            continue
        content = source.read(f"{folder}/{name}")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        elif name != "data.dvc" and target.read_bytes() != content:
            left.append(f"{target} is another than in the backup ({folder}/{name}) and was left as it is")
    return left


def place_current(data: Data) -> str:
    """Let data.dvc and data/ follow the newest version on record; returns it."""
    snapshot = pull_snapshot.fn((known_versions() or [find_current()])[-1], data)
    place_version.fn(snapshot)
    return snapshot.version
