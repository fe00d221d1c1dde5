"""The working copy: data.dvc and data/ follow the current version, and what a user put there is never overwritten."""

import shutil
from datetime import timedelta

from prefect import task

from tasks.core.errors import InputError
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, read_listing
from tasks.data.snapshot import Snapshot, cache_folder, md5_of, run_remote, working_files
from tasks.data.versions import parse_version, read_data_dvc, write_data_dvc

FETCH_LIMIT = timedelta(minutes=1)


def refuse_edits() -> dict[str, str]:
    """Files of data/ whose content no version holds were edited by hand: they are not overwritten.

    Returns:
        The hash of each file by its name in data/.

    Raises:
        InputError: One is in no version.
    """
    cache, folder = cache_folder(), workspace().data
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder: move it elsewhere")
    hashes = {name: md5_of(path) for name, path in working_files().items()}
    unknown = [name for name, oid in hashes.items() if not object_path(oid, cache).is_file()]
    if unknown:
        placed = placed_files()
        unknown = [name for name in unknown if placed.get(name) != hashes[name]]
    if unknown:
        raise InputError(f"data/{unknown[0]} is in no data version: `dvc add data` makes it one, or remove the file")
    return hashes


def placed_files() -> dict[str, str]:
    """The hash of each file of the version that data.dvc names, though its objects may be gone from the cache."""
    try:
        version = parse_version(read_data_dvc())
        if not object_path(version, cache_folder()).is_file():
            run_remote("pull", version, FETCH_LIMIT)
        return read_listing(version, cache_folder())
    except (InputError, OSError):
        return {}


@task
def place_version(snapshot: Snapshot) -> None:
    """Let data.dvc name a version and data/ hold exactly its files; what a user put there is refused, not removed."""
    folder, present = workspace().data, refuse_edits()
    sizes = [path.stat().st_size for path in snapshot.files.values()]
    write_data_dvc(snapshot.version, sum(sizes), len(sizes))
    for name, source in snapshot.files.items():
        if present.get(name) != snapshot.hash_of(name):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            shutil.copyfile(source, part)
            part.replace(path)
    for name in present.keys() - snapshot.files.keys():
        (folder / name).unlink()
