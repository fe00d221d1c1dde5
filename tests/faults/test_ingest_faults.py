"""An ingest that is killed at any state loses and doubles nothing."""

import signal
from datetime import timedelta
from pathlib import Path

import polars as pl
from kills import State, both, die_at, processes
from stores import new_workspace, use_workspace

from tasks.features.table import ARRIVED

REPLACE = "pathlib:Path.replace"  # the last step of writing an object, data.dvc or a file of data/
STATES = [
    *both("tasks.data.publish:keep_object"),
    *both(REPLACE, 3),
    *both(REPLACE, 4),
    *both(REPLACE, 5),
    State("shutil:copyfile"),
    State("shutil:copyfile", 1, "after"),  # a file of data/ is there whole, and has not its name yet
]


def work(folder: Path, death: State | None) -> None:
    """What flows/ingest.py does, without a server."""
    from landings import take_in_all

    use_workspace(folder)
    if death:
        die_at(death)
    take_in_all()


def ingest(folder: Path, death: State | None = None) -> int:
    """The exit code of a process that takes in what landed, to its end or to its death."""
    process = processes.Process(target=work, args=(folder, death))
    process.start()
    process.join()
    return process.exitcode


def test_ten_kills_each_at_another_state_lose_and_double_no_row(tmp_path, snapshot):
    folder = new_workspace(tmp_path / "workspace")
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    (folder / "landing" / "flights").mkdir(parents=True)
    assert ingest(folder) == 0
    landed = []
    for number, state in enumerate(STATES):
        shift = timedelta(days=366 + 31 * number)
        rows = january[number * 500 : number * 500 + 700].with_columns(pl.col("time_hour") + shift)
        landed.append(rows)
        rows.write_parquet(folder / "landing" / "flights" / f"{number}.parquet")
        assert ingest(folder, state) == -signal.SIGKILL, state
        if number % 2:
            assert ingest(folder) == 0
    assert ingest(folder) == 0
    ours = pl.concat(pl.read_parquet(file) for file in (folder / "data" / "flights").glob("201[45]-*.parquet"))
    ours = ours.drop(ARRIVED)
    ours = ours.filter(pl.col("time_hour") >= january["time_hour"].min() + timedelta(days=366))
    assert ours.sort(ours.columns).equals(pl.concat(landed).sort(ours.columns))
