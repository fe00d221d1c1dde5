"""An ingest that is killed at any state, or whose disk or store fails, loses and doubles nothing."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from disks import PRIVATE, can_mount
from kills import State, both, die_at, processes, run_together
from landings import set_back
from odd_files import make_rows, to_bytes
from stores import new_workspace, use_workspace

from stack.local_stack import ROOT, clean_environment
from tasks.core.params import Params
from tasks.core.tables import read_rows
from tasks.data.quarantine import QUARANTINE
from tasks.data.snapshot import pull_snapshot
from tasks.data.versions import read_versions

BAD = 3  # rows of each delivery
REPLACE = "pathlib:Path.replace"  # the last step of writing an object, data.dvc or a file of data/
STATES = [
    *both("tasks.data.take_in:quarantine_rows"),
    *both("tasks.data.take_in:quarantine_files"),
    *both("tasks.data.publish:record_version"),
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


@pytest.mark.slow
def test_kills_each_at_another_state_lose_and_double_no_row(tmp_path, snapshot):
    folder = new_workspace(tmp_path / "workspace")
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    (folder / "landing" / "flights").mkdir(parents=True)
    assert ingest(folder) == 0
    landed = []
    for number, state in enumerate(STATES):
        shift = timedelta(days=366 + 31 * number)
        rows = january[number * 500 : number * 500 + 700].with_columns(pl.col("time_hour") + shift)
        bad = pl.when(pl.int_range(pl.len()) < BAD).then(-1).otherwise("distance").cast(pl.Int16)
        landed.append(rows[BAD:])
        (folder / "landing" / "flights" / f"bad-{number}.parquet").write_text(f"<html> {number}")
        rows.with_columns(distance=bad).write_parquet(folder / "landing" / "flights" / f"{number}.parquet")
        for path in (folder / "landing" / "flights").iterdir():
            set_back(path)
        assert ingest(folder, state) == -signal.SIGKILL, state
        if number % 2:
            assert ingest(folder) == 0
    assert ingest(folder) == 0
    ours = pl.concat(pl.read_parquet(file) for file in (folder / "data" / "flights").glob("201[45]-*.parquet"))
    ours = ours.filter(pl.col("time_hour") >= january["time_hour"].min() + timedelta(days=366))
    assert ours.sort(ours.columns).equals(pl.concat(landed).sort(ours.columns))
    use_workspace(folder)
    held = read_rows(QUARANTINE)["position"]
    assert (held >= 0).sum() == BAD * len(STATES) and (held < 0).sum() == len(STATES)
    numbers = [version.number for version in read_versions()]
    assert numbers == list(range(1, len(numbers) + 1))


def work_together(folder: Path, store: Path) -> None:
    """Take in what landed here, into a store that others share."""
    os.environ["PARAMS_STORE"] = str(store)
    work(folder, None)


@pytest.mark.slow
def test_two_machines_that_ingest_at_once_make_one_line_of_versions_and_lose_no_row(tmp_path, monkeypatch):
    machines, rounds, store = [new_workspace(tmp_path / name) for name in ("here", "there")], 4, tmp_path / "store"
    remote = f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {tmp_path / 'remote'}\n"
    for folder in machines:
        (folder / ".dvc" / "config").write_text(remote)
        (folder / "landing" / "flights").mkdir(parents=True)
    assert run_together(work_together, [(machines[0], store)]) == [0]  # it adopts the first version
    for number in range(rounds):
        for place, folder in enumerate(machines):
            path = folder / "landing" / "flights" / f"{number}.parquet"
            path.write_bytes(to_bytes(make_rows(2 * number + place)))
            set_back(path)
        assert run_together(work_together, [(folder, store) for folder in machines]) == [0, 0]
    monkeypatch.setenv("PARAMS_STORE", str(store))
    use_workspace(machines[0])
    versions = read_versions()
    assert [version.number for version in versions] == list(range(1, 2 * rounds + 2))
    assert [version.before for version in versions[1:]] == [version.version for version in versions[:-1]]
    current = pull_snapshot.fn(None, Params.load().data).files["flights/2013-01.parquet"]
    assert pl.read_parquet(current).filter(carrier="ZZ").height == 2 * rounds * 20


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no mount namespaces: run it as root, or allow unprivileged ones")
def test_a_full_disk_is_one_sentence_and_what_landed_goes_in_after_space_is_freed(tmp_path, snapshot):
    folder, ml = tmp_path / "disk", f"{shlex.quote(sys.executable)} -m flows.cli"
    source = new_workspace(tmp_path / "workspace")
    (source / "landing" / "flights").mkdir(parents=True)
    shutil.copy(snapshot.files["flights/2013-01.parquet"], source / "landing" / "flights" / "a.parquet")
    folder.mkdir()
    commands = f"""
        mount -t tmpfs -o size=20m tmpfs {folder}
        cp -a {source}/. {folder}
        {ml} ingest
        cp {snapshot.files["flights/2013-02.parquet"]} {folder}/landing/flights/b.parquet
        printf x >> {folder}/landing/flights/b.parquet
        cp {snapshot.files["flights/2013-03.parquet"]} {folder}/landing/flights/c.parquet
        dd if=/dev/zero of={folder}/filler bs=4k 2> /dev/null || true
        {ml} ingest && exit 7
        rm {folder}/filler
        {ml} ingest
        {ml} versions --json
    """
    environment = clean_environment(folder, PREFECT_HOME=str(tmp_path))
    done = subprocess.run([*PRIVATE, commands], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("error: the disk is full: free some space and run it again") == 1, done.stderr
    assert done.stdout.count("Landed: 1 file in data version") == 2, done.stdout
