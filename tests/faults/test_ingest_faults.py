"""An ingest that is killed at any moment loses and doubles nothing."""

import multiprocessing
import os
import random
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
from stores import use_store

from stack.local_stack import make_workspace
from tasks.core.params import Params
from tasks.data import fetch
from tasks.data import publish as versions
from tasks.data import snapshot as snapshots
from tasks.data import sources as landing

processes = multiprocessing.get_context("forkserver")
KILLS = 10


def use_workspace(folder: Path) -> None:
    os.environ["WORKSPACE"] = str(folder)  # the server that forks may be older than this test
    use_store(folder / "store")
    for module in (fetch, landing, snapshots, versions):
        module.WORKSPACE = folder


def work(folder: Path) -> None:
    """What flows/ingest.py does, without a server."""
    from tasks.data.merge import merge_landed
    from tasks.data.publish import place_version, publish_version, refuse_edits
    from tasks.data.snapshot import pull_snapshot
    from tasks.data.sources import read_landed

    use_workspace(folder)
    params = Params.load()
    snapshot = pull_snapshot.fn(None, params.data)
    refuse_edits()
    if landed := read_landed.fn("landing", snapshot, params.data.timeout):
        files, _ = merge_landed.fn(snapshot, landed, params.validation)
        snapshot = publish_version.fn(snapshot, files, landed)
    place_version.fn(snapshot)


def start(folder: Path) -> multiprocessing.Process:
    process = processes.Process(target=work, args=(folder,))
    process.start()
    return process


def test_ten_kills_at_random_moments_lose_and_double_no_row(tmp_path, snapshot):
    folder = make_workspace(tmp_path / "workspace")
    chance = random.Random(7)
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    (folder / "landing" / "flights").mkdir(parents=True)
    begun = time.monotonic()
    first = start(folder)
    first.join()
    longest = time.monotonic() - begun
    assert first.exitcode == 0
    landed = []
    for number in range(KILLS):
        shift = timedelta(days=366 + 31 * number)
        rows = january[number * 500 : number * 500 + 700].with_columns(pl.col("time_hour") + shift)
        landed.append(rows)
        rows.write_parquet(folder / "landing" / "flights" / f"{number}.parquet")
        process = start(folder)
        process.join(chance.uniform(0, longest))
        process.kill()
        process.join()
        if number % 2:
            process = start(folder)
            process.join()
            assert process.exitcode == 0
    process = start(folder)
    process.join()
    assert process.exitcode == 0
    ours = pl.concat(pl.read_parquet(file) for file in (folder / "data" / "flights").glob("201[45]-*.parquet"))
    ours = ours.filter(pl.col("time_hour") >= january["time_hour"].min() + timedelta(days=366))
    assert ours.sort(ours.columns).equals(pl.concat(landed).sort(ours.columns))
