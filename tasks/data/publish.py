"""Publishing a new data version and updating the working copy; replacing data.dvc makes a version current."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import yaml
from dvc.exceptions import DvcException
from prefect import task

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Ingest
from tasks.core.provenance import who
from tasks.core.tables import Table, insert_new
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, open_repo, read_listing
from tasks.data.snapshot import Snapshot, cache_folder, md5_of
from tasks.data.sources import LEDGER, Landed, read_ledger

DATA_VERSIONS = Table(
    "data_versions",
    {
        "version": pl.String,
        "before": pl.String,  # the version that it follows
        "made_at": pl.Datetime("us", "UTC"),
        "by": pl.String,
        "landed": pl.String,  # as JSON: the mark of each file whose rows are new in it, by name
    },
    key=("version",),
    partition=(),
)


@task
def publish_version(snapshot: Snapshot, files: dict[str, pl.DataFrame], landed: list[Landed]) -> Snapshot:
    """Make the changed files and the ledger part of a new version, and that version current.

    A process that dies before the last line has changed nothing; objects it left in the cache are harmless.
    """
    cache = cache_folder()
    listing = read_listing(snapshot.version, cache)
    for name, rows in files.items():
        content = io.BytesIO()
        rows.write_parquet(content, compression="zstd")
        listing[name] = keep_object(content.getvalue(), cache)
    ledger = read_ledger(snapshot) | {delivery.name: delivery.mark for delivery in landed}
    listing[LEDGER] = keep_object(json.dumps(ledger, indent=1, sort_keys=True).encode(), cache)
    entries = [{"md5": oid, "relpath": name} for name, oid in sorted(listing.items())]
    version = f"{keep_object(json.dumps(entries, sort_keys=True).encode(), cache, '.dir')}.dir"
    size = sum(object_path(oid, cache).stat().st_size for oid in listing.values())
    out = {"md5": version, "size": size, "nfiles": len(listing), "hash": "md5", "path": "data"}
    marks = json.dumps({delivery.name: delivery.mark for delivery in landed}, sort_keys=True)
    row = {"version": version, "before": snapshot.version, "made_at": datetime.now(UTC), "by": who(), "landed": marks}
    insert_new(DATA_VERSIONS, pl.DataFrame([row], schema=DATA_VERSIONS.schema))
    with atomic_write(workspace().data_dvc) as part:
        part.write_text(yaml.safe_dump({"outs": [out]}, sort_keys=False))
    return Snapshot(version, {name: object_path(oid, cache) for name, oid in listing.items()})


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
    """Make data/ hold exactly the files of a version; files that a user put there are refused, not removed."""
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
    """Commit and push, if params.yaml says so; what an earlier run failed to push is pushed, too."""
    if ingest.push:
        refuse_inner_remote()
        run([sys.executable, "-m", "dvc", "push", "data.dvc"], "dvc push", timeout)
    if ingest.commit and run(["git", "status", "--porcelain", "--", "data.dvc"], "git status", timeout):
        commit = ["git", "commit", "--quiet", "-m", f"Data version {snapshot.version}", "--", "data.dvc"]
        run(commit, "git commit", timeout)


def refuse_inner_remote() -> None:
    """The sample's remote lies in the repository: pushing to it would make the repository grow with every version."""
    try:
        with open_repo() as repo:
            path = Path(str(repo.cloud.get_remote_odb().path))
    except DvcException as error:
        raise InputError(f"there is no DVC remote to push to: {error}") from None
    if path.is_absolute() and path.is_relative_to(workspace().root):
        raise InputError("the DVC remote lies inside the workspace: `dvc remote add -d storage s3://bucket/dvc` first")


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
