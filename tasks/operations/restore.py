"""Bringing a backup back."""

from pathlib import PurePosixPath

from tasks.core.errors import InputError
from tasks.core.params import Data
from tasks.core.store import store
from tasks.core.workspace import workspace
from tasks.data.snapshot import cache_folder, pull_snapshot
from tasks.data.versions import find_current, known_versions
from tasks.data.working_copy import place_version
from tasks.operations.backup import DONE, SETTINGS, SHARED, TABLES, in_table
from tasks.operations.places import Place, copy_missing, open_place, part, told_where


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
    targets = {name: workspace().root / name for name in SETTINGS} | {"prefect.db": workspace().prefect_database}
    left, held = [], source.list(folder)
    for name in filter(held.__contains__, targets):
        target = targets[name]
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
