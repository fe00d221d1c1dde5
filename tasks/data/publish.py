"""Publishing data versions: a landing, what `dvc add data` made, or an older one that is made current."""

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import polars as pl
from prefect import task

from tasks.core.errors import InputError, counted
from tasks.core.files import atomic_write
from tasks.core.params import Data, Params
from tasks.core.workspace import workspace
from tasks.data.arrivals import ARRIVED, OF, arrivals_file
from tasks.data.fetch import object_path, read_listing
from tasks.data.ledger import LEDGER, OLD_LEDGER, landed_files, read_ledger
from tasks.data.merge import Change
from tasks.data.push import is_pushed, push_version
from tasks.data.quarantine import ENTRY, FOUND
from tasks.data.snapshot import Snapshot, cache_folder, pull_snapshot
from tasks.data.take_in import Landing
from tasks.data.versions import find_current, find_version, known_versions, record_version
from tasks.data.working_copy import place_version, refuse_edits


@task
def adopt_version(data: Data) -> Snapshot:
    """The current version; one that `dvc add data` made becomes an entry, and where there is no data an empty one.

    Args:
        data: How long a fetch may take.

    Raises:
        InputError: It was made of an older version, so that it lacks what landed since.
    """
    if not workspace().data_dvc.exists() and not known_versions() and not refuse_edits():
        begin_empty()
    while (version := find_current()) not in (known := known_versions()):
        snapshot = pull_snapshot.fn(version, data)
        if known:
            refuse_loss(snapshot, pull_snapshot.fn(known[-1], data))
        if record_version(version, known, "adopted", {}, []):
            return snapshot
    return pull_snapshot.fn(version, data)


def begin_empty() -> None:
    """Let the line of versions begin with one that holds no file, where all data is still to land."""
    version = f"{keep_object(b'[]', cache_folder(), '.dir')}.dir"
    if record_version(version, [], "adopted", {}, []):
        print("there is no data yet: what lands now is the first")


def refuse_loss(made: Snapshot, newest: Snapshot) -> None:
    """Refuse a version that was made by hand of an older one."""
    lost = read_ledger(newest.files).join(read_ledger(made.files), on=ENTRY, how="anti").filter(pl.col("file") != FOUND)
    if lost.height:
        files = landed_files(lost).height
        what = {"file": files, "replayed row": lost.height - files}
        told = " and ".join(counted(count, name) for name, count in what.items() if count)
        raise InputError(
            f"data.dvc names version {made.version}, which lacks {told} that landed in version "
            f"{newest.version}, such as {lost['file'][0]}: `ml versions use {len(known_versions())}` goes back to it, "
            "`ml versions use` without a number takes that of data.dvc all the same"
        )


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
    listing.pop(OLD_LEDGER, None)
    arrivals = dict(landing.arrivals)
    for name, rows in landing.files.items():
        listing[name], arrivals[name] = keep_parquet(rows.drop(ARRIVED), cache), rows[ARRIVED]
    for name, times in arrivals.items():
        listing[arrivals_file(name)] = keep_parquet(times.alias(ARRIVED).to_frame(), cache, {OF: listing[name]})
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
        kind = "used" if snapshot.version in known_versions() else "adopted"
        while not record_version(snapshot.version, known_versions(), kind, {}, []):
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


def keep_parquet(rows: pl.DataFrame, cache: Path, facts: dict[str, str] | None = None) -> str:
    """Put rows into the DVC cache, with some facts about them; returns the hash."""
    content = io.BytesIO()
    rows.write_parquet(content, compression="zstd", metadata=facts)
    return keep_object(content.getvalue(), cache)


def keep_object(content: bytes, cache: Path, suffix: str = "") -> str:
    """Put an object into the DVC cache under its hash; returns the hash."""
    oid = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = object_path(oid + suffix, cache)
    if not path.is_file() or path.read_bytes() != content:
        with atomic_write(path) as part:
            part.write_bytes(content)
    return oid
