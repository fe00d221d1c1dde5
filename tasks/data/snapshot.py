"""Verified, immutable snapshots: one data version, every object checked, the working copy left alone."""

import hashlib
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dvc.exceptions import DvcException
from prefect import task

from tasks.core.errors import InputError, escape_controls
from tasks.core.locks import exclusive
from tasks.core.params import Data
from tasks.core.provenance import GitError, git
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, open_repo, read_listing
from tasks.data.versions import find_current, parse_version


@dataclass(frozen=True)
class Snapshot:
    """One data version: its hash, and where each of its files lies in the DVC cache."""

    version: str
    files: dict[str, Path]

    def hash_of(self, file: str) -> str:
        """The md5 of a file: the cache names an object by its hash."""
        return self.files[file].parent.name + self.files[file].name


@task
def pull_snapshot(data_rev: str | None, data: Data) -> Snapshot:
    """Resolve a data version, fetch what the cache lacks, and verify every object; the working copy is left alone.

    Args:
        data_rev: A git revision or tag, or a data version; None is the current one.
        data: How long a fetch may take.

    Raises:
        InputError: The version is unknown, incomplete, unsafe or cannot be fetched in time.
    """
    version = resolve_version(data_rev)
    cache = cache_folder()
    if broken_objects(version, cache):
        with exclusive("fetch of data"):
            if broken := broken_objects(version, cache):  # else another process has fetched them meanwhile
                fetch_again(broken, version, cache, data.timeout)
    files = {name: object_path(oid, cache) for name, oid in read_listing(version, cache).items()}
    if data_rev is None:
        tell_edits(version, cache)
    return Snapshot(version, files)


def tell_edits(version: str, cache: Path) -> None:
    """Say that a table of data/ is in no version, such as after an edit by hand: a run reads versions alone."""
    with suppress(OSError):  # of a file that cannot be read
        for name, path in working_files().items():
            if path.suffix == ".parquet" and not object_path(md5_of(path), cache).is_file():
                told = f"data/{name} is in no data version; version {version} is read: `dvc add data` makes a new one"
                print(escape_controls(told))
                return


def working_files() -> dict[str, Path]:
    """The files of data/ by their names in it."""
    folder = workspace().data
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".part"]
    return {str(path.relative_to(folder)): path for path in paths}


def fetch_again(broken: list[Path], version: str, cache: Path, timeout: timedelta) -> None:
    """Fetch what is missing or damaged, or say why that cannot be."""
    for path in broken:
        path.unlink(missing_ok=True)
    fetched = run_remote("pull", version, timeout) or "an object is missing or damaged there"
    if broken_objects(version, cache):
        raise InputError(
            f"data version {version} cannot be had whole from the DVC remote: {fetched}; look at .dvc/config "
            "and the AWS_* variables, and whether the version was pushed whole (dvc push)"
        )


def resolve_version(data_rev: str | None) -> str:
    """The data version that a revision names: the hash in its data.dvc; the current one where it names none."""
    if data_rev and re.fullmatch(r"[0-9a-f]{32}(\.dir)?", data_rev):
        return f"{data_rev.removesuffix('.dir')}.dir"
    return parse_version(read_revision(data_rev)) if data_rev else find_current()


def read_revision(revision: str) -> str:
    """The text of data.dvc at a git revision."""
    try:
        return git("show", "--end-of-options", f"{revision}:./data.dvc", folder=workspace().root)
    except GitError as error:
        raise InputError(f"data_rev {revision!r} names no data.dvc: {error}") from None


def cache_folder() -> Path:
    """The object store of the workspace's DVC cache."""
    try:
        with open_repo() as repo:
            return Path(repo.cache.local.path)
    except DvcException as error:
        raise InputError(f"{workspace().root} is no DVC workspace: {error}") from None


def is_whole(oid: str, cache: Path) -> bool:
    path = object_path(oid, cache)
    if not path.is_file():
        return False
    return md5_of(path) == oid.removesuffix(".dir")


def md5_of(path: Path) -> str:
    """What DVC names an object by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def broken_objects(version: str, cache: Path) -> list[Path]:
    """Objects of a version that are missing or do not match their hash."""
    if not is_whole(version, cache):
        return [object_path(version, cache)]
    return [object_path(oid, cache) for oid in read_listing(version, cache).values() if not is_whole(oid, cache)]


def run_remote(what: str, version: str, timeout: timedelta) -> str:
    """Pull or push under a deadline; returns what went wrong in one line, "" if nothing did."""
    command = [sys.executable, "-m", "tasks.data.fetch", what, version]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout.total_seconds())
    except subprocess.TimeoutExpired:
        return f"it did not answer within data.timeout ({timeout.total_seconds():g} s)"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit code {done.returncode}") if done.returncode or lines else ""
