"""Workspaces and data versions of a test's own, and what must hold of any."""

import hashlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from stack.local_stack import ROOT, make_workspace
from tasks.core.tables import open_table
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path
from tasks.data.snapshot import Snapshot
from tasks.inference.bundle import write_bundle
from tasks.inference.scorer import Scorer
from tasks.registry.decision_log import DECISIONS, read_log, record
from tasks.registry.entries import Judged
from tasks.registry.verify import verify_record
from tasks.registry.versions import load_version


def use_workspace(folder: Path) -> Path:
    """Let this process work in a workspace."""
    os.environ["WORKSPACE"] = str(folder)
    workspace.cache_clear()
    return folder


def new_workspace(folder: Path) -> Path:
    """A fresh workspace that finds the sample's objects without fetching them."""
    make_workspace(folder)
    objects = folder / ".dvc" / "cache" / "files" / "md5"
    shutil.copytree(ROOT / ".dvc" / "remote" / "files" / "md5", objects)
    return folder


def make_three_versions(tiny_model) -> list[str]:
    """Register three versions as of April, June and August; none of them is champion."""
    open_table(DECISIONS)
    model, probe = tiny_model
    facts = {"decision": "promote", "why": "", "judged_against": None, "by": "Ada", "cause": "hand"}
    numbers = ["1", "2", "3"]
    for number, month in zip(numbers, (4, 6, 8), strict=True):
        card, seen = {"model": "late-arrivals", "number": number}, np.arange(3, dtype=np.uint64)
        bundle, digests = write_bundle(Scorer(model), card, seen, probe, {})
        facts |= {"key": f"key {number}", "data_version": "", "sha256": "", "bundle": bundle, "digests": digests}
        record("late-arrivals", Judged(version=number, as_of=datetime(2013, month, 1, tzinfo=UTC), **facts))
    return numbers


def with_files(snapshot: Snapshot, folder: Path, frames: dict[str, pl.DataFrame]) -> Snapshot:
    """The snapshot with these files in place of its own, each under its hash in a folder, as in the DVC cache."""
    files = dict(snapshot.files)
    for name, frame in frames.items():
        part = folder / "part"
        frame.write_parquet(part)
        files[name] = object_path(hashlib.md5(part.read_bytes()).hexdigest(), folder)
        files[name].parent.mkdir(exist_ok=True)
        part.replace(files[name])
    return Snapshot(snapshot.version, files)


def check_registry(model) -> None:
    """The record is whole, and there is one champion with all its files, or none."""
    assert verify_record(model) == []
    log = read_log(model)
    if champion := log.champion():
        assert load_version(log, champion).card["model"] == model
