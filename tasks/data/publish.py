"""Publishing a new data version, and making the working copy follow it."""

import hashlib
import io
import json
import shutil
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path

import polars as pl
from dvc.exceptions import DvcException
from prefect import task

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Data, Ingest, Params
from tasks.core.workspace import workspace
from tasks.data.fetch import find_remote, object_path, open_repo, read_listing
from tasks.data.ledger import BEFORE, LEDGER, landed_files, read_ledger
from tasks.data.merge import Change
from tasks.data.snapshot import Snapshot, cache_folder, md5_of, pull_snapshot, run_remote
from tasks.data.take_in import Landing
from tasks.data.versions import find_current, find_version, known_versions, record_version, write_data_dvc


@task
def adopt_version(data: Data) -> Snapshot:
    """The current version; one that `dvc add data` made becomes an entry.

    Args:
        data: How long a fetch may take.
    """
    while (version := find_current()) not in (known := known_versions()):
        snapshot = pull_snapshot.fn(version, data)
        if record_version(version, known, "adopted", {}, []):
            return snapshot
    return pull_snapshot.fn(version, data)


@task
def publish_version(snapshot: Snapshot, landing: Landing, kind: str, params: Params) -> Snapshot | None:
    """Make the changed files and the ledger part of a new version, push it where that is set, and make it current.

    A process that dies before the last line has changed nothing; objects that it left are harmless.

    Args:
        snapshot: The version that the landing was made on.
        landing: What went in.
        kind: landed or replayed.
        params: The settings; `ingest` and `data` count here.

    Returns:
        The new version; None if another machine published one meanwhile: then take in again, on that one.
    """
    cache = cache_folder()
    listing = read_listing(snapshot.version, cache)
    listing.pop(BEFORE, None)
    for name, rows in landing.files.items():
        listing[name] = keep_parquet(rows, cache)
    listing[LEDGER] = keep_parquet(pl.concat([read_ledger(snapshot.files), landing.ledger]), cache)
    entries = [{"md5": oid, "relpath": name} for name, oid in sorted(listing.items())]
    version = f"{keep_object(json.dumps(entries, sort_keys=True).encode(), cache, '.dir')}.dir"
    if is_pushed(params.ingest):
        push_version(version, params.data.timeout)
    known = known_versions()
    files = landed_files(landing.ledger).select("table", "file", "digest", "rows").rows(named=True)
    if known[-1] != snapshot.version or not record_version(version, known, kind, sum_up(landing.changes), files):
        print("another machine published a version meanwhile: what landed is taken in again, on that one")
        return None
    return Snapshot(version, {name: object_path(oid, cache) for name, oid in listing.items()})


def make_current(wanted: str | None, data: Data) -> str:
    """Make an older version the current one, as an entry, and let data.dvc and data/ follow; returns its hash.

    Args:
        wanted: Its number, or the beginning of its hash; None is the one that data.dvc names.
        data: How long a fetch may take.

    Raises:
        InputError: There is no such version, or it cannot be had whole.
    """
    snapshot = pull_snapshot.fn(find_version(wanted), data)
    refuse_edits()
    if known_versions()[-1:] != [snapshot.version]:
        while not record_version(snapshot.version, known_versions(), "used", {}, []):
            pass
    place_version.fn(snapshot)
    return snapshot.version


def sum_up(changes: list[Change]) -> dict[str, dict[str, int]]:
    """What some files did to each table."""
    found: dict[str, Counter[str]] = {}
    for change in changes:
        counts = {name: value for name, value in change._asdict().items() if name not in ("table", "file")}
        found.setdefault(change.table, Counter()).update(counts)
    return {table: dict(counts) for table, counts in found.items()}


def keep_parquet(rows: pl.DataFrame, cache: Path) -> str:
    """Put rows into the DVC cache; returns the hash."""
    content = io.BytesIO()
    rows.write_parquet(content, compression="zstd")
    return keep_object(content.getvalue(), cache)


def keep_object(content: bytes, cache: Path, suffix: str = "") -> str:
    """Put an object into the DVC cache under its hash; returns the hash."""
    oid = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = object_path(oid + suffix, cache)
    if not path.is_file() or path.read_bytes() != content:
        with atomic_write(path) as part:
            part.write_bytes(content)
    return oid


def refuse_edits() -> dict[str, str]:
    """Files of data/ whose content no version holds were edited by hand: they are not overwritten.

    Returns:
        The hash of each file by its name in data/.

    Raises:
        InputError: One is in no version.
    """
    cache, folder, hashes = cache_folder(), workspace().data, {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".part":
            hashes[str(path.relative_to(folder))] = oid = md5_of(path)
            if not object_path(oid, cache).is_file():
                name = path.relative_to(workspace().root)
                raise InputError(f"{name} is in no data version: `dvc add data` makes it one, or remove the file")
    return hashes


@task
def place_version(snapshot: Snapshot) -> None:
    """Let data.dvc name a version and data/ hold exactly its files; what a user put there is refused, not removed."""
    sizes = [path.stat().st_size for path in snapshot.files.values()]
    write_data_dvc(snapshot.version, sum(sizes), len(sizes))
    folder, present = workspace().data, refuse_edits()
    for name, source in snapshot.files.items():
        if present.get(name) != snapshot.hash_of(name):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            shutil.copyfile(source, part)
            part.replace(path)
    for name in present.keys() - snapshot.files.keys():
        (folder / name).unlink()


@task
def commit_and_push(snapshot: Snapshot, ingest: Ingest, timeout: timedelta) -> None:
    """Commit and push, if params.yaml says so; a version that was made before there was a remote is pushed, too."""
    if is_pushed(ingest):
        push_version(snapshot.version, timeout)
    if ingest.commit and run(["git", "status", "--porcelain", "--", "data.dvc"], "git status", timeout):
        commit = ["git", "commit", "--quiet", "-m", f"Data version {snapshot.version}", "--", "data.dvc"]
        run(commit, "git commit", timeout)


def is_pushed(ingest: Ingest) -> bool:
    """Whether versions are pushed: as params.yaml says, else as soon as there is a remote outside of the workspace.

    Raises:
        InputError: They shall be, and there is no such remote.
    """
    if ingest.push is False:
        return False
    remote = remote_elsewhere()
    if ingest.push and remote is None:
        raise InputError(
            "ingest.push is set, but there is no DVC remote outside of the workspace: "
            "`dvc remote add -d storage s3://bucket/dvc` first"
        )
    return remote is not None


def remote_elsewhere() -> Path | None:
    """Where versions may be pushed to."""
    try:
        with open_repo() as repo:
            return find_remote(repo)
    except DvcException as error:
        raise InputError(f"the DVC remote cannot be used: {error}; look at .dvc/config") from None


def push_version(version: str, timeout: timedelta) -> None:
    """Bring what the DVC remote lacks of a version there, once.

    Raises:
        InputError: It does not answer in time, or refuses.
    """
    done = workspace().pushed
    pushed = f"{version} {remote_elsewhere()}"
    if done.is_file() and done.read_text() == pushed:
        return
    if why := run_remote("push", version, timeout):
        raise InputError(f"data version {version} cannot be pushed: {why}; look at .dvc/config and the AWS_* variables")
    with atomic_write(done) as part:
        part.write_text(pushed)


def run(command: list[str], name: str, timeout: timedelta) -> str:
    """Run a command in the workspace; returns its output."""
    seconds = timeout.total_seconds()
    try:
        done = subprocess.run(command, cwd=workspace().root, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise InputError(f"{name} cannot be run: {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{name} did not end within data.timeout ({seconds:g} s): the version is kept here") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise InputError(f"{name} failed: {lines[-1]}")
    return done.stdout
