"""A destroyed workspace comes back from a backup that was taken while others wrote; cleaning takes nothing needed."""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from threading import Event, Thread

import polars as pl
import pytest
from landings import set_back, take_in_all
from odd_files import make_rows, to_bytes
from stores import use_workspace

from stack.local_stack import make_workspace
from tasks.core.errors import InputError
from tasks.core.params import Data
from tasks.core.tables import insert_new, read_rows
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import FILE, QUARANTINE, read_entries
from tasks.data.snapshot import pull_snapshot
from tasks.data.versions import known_versions
from tasks.inference.prediction_log import PREDICTIONS
from tasks.operations.backup import TABLES, back_up
from tasks.operations.clean import find_waste, remove
from tasks.operations.needed import needed_versions
from tasks.operations.restore import place_current, restore
from tasks.registry.decision_log import read_log, record
from tasks.registry.promotion import promote_by_hand
from tasks.registry.verify import verify_record

DATA = Data()


def land(workspace, number: int) -> None:
    """Flights of which three are too long."""
    path = workspace / "landing" / "flights" / f"{number}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    far = pl.when(pl.int_range(pl.len()) < 3).then(15_000).otherwise("distance").cast(pl.Int16)
    path.write_bytes(to_bytes(make_rows(number).with_columns(distance=far)))
    set_back(path)
    take_in_all()


def predict(number: int) -> None:
    """A logged score."""
    day = datetime(2013, 1, 1, tzinfo=UTC)
    row = {"model": "late-arrivals", "day": day.date(), "key": f"{number}", "event_time": day, "score": 0.5}
    insert_new(PREDICTIONS, pl.DataFrame([row]))


def everything() -> dict[str, list]:
    """All rows of all tables."""
    return {table.name: sorted(read_rows(table).rows(), key=str) for table in TABLES}


@pytest.fixture
def full(versions, own_workspace):
    """A workspace with versions, landings, bad rows, predictions and a server's database."""
    for number in (1, 2):
        land(own_workspace, number)
        predict(number)
    promote_by_hand("late-arrivals", "2", "for the test", "wall")
    (own_workspace / "state" / "prefect").mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(own_workspace / "state" / "prefect" / "prefect.db")) as database:
        database.execute("create table runs (id)")
        database.commit()
    return own_workspace


def destroy(workspace) -> None:
    """What a new clone on a new machine is: nothing of what the loop made."""
    shutil.rmtree(workspace)
    make_workspace(workspace)


@pytest.mark.parametrize("remote", [False, True])
def test_a_destroyed_workspace_comes_back_as_it_was(full, tmp_path, remote, request):
    to = str(tmp_path / "backup")
    if remote:
        request.getfixturevalue("s3_bucket")
        to = "s3://backup/of/it"
    before, files = everything(), sorted(path.name for path in (full / "data").rglob("*"))
    back_up(to, 10, DATA)
    destroy(full)
    use_workspace(full)
    name, left = restore(to, None)
    assert place_current(DATA) == known_versions()[-1] and left == []
    assert everything() == before and before["quarantine"] and before["predictions"] and before["decisions"]
    assert verify_record("late-arrivals") == [] and read_log("late-arrivals").champion() == "2"
    assert sorted(path.name for path in (full / "data").rglob("*")) == files
    with closing(sqlite3.connect(full / "state" / "prefect" / "prefect.db")) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("runs",)]
    assert restore(to, name)[0] == name  # again, as after a kill
    land(full, 3)
    with pytest.raises(InputError, match="holds a record of its own .*: move it elsewhere, then restore"):
        restore(to, name)


@pytest.fixture
def s3_bucket(endpoint, monkeypatch):
    """An empty bucket `backup`."""
    import s3fs

    for name, value in {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = s3fs.S3FileSystem(endpoint_url=endpoint, key="key", secret="secret")
    if bucket.exists("backup"):
        bucket.rm("backup", recursive=True)
    bucket.mkdir("backup")


def test_a_backup_that_is_taken_while_others_write_is_whole(full, tmp_path):
    stop, begun, faults = Event(), Event(), []

    def write() -> None:
        number = 3
        try:
            while not stop.is_set():
                number += 1
                predict(1000 + number)
                land(full, number)
                record(
                    "late-arrivals", read_log("late-arrivals").versions["3"].model_copy(update={"version": f"{number}"})
                )
                begun.set()
        except Exception as error:
            faults.append(error)
            begun.set()

    writer = Thread(target=write)
    writer.start()
    begun.wait(300)
    name = back_up(str(tmp_path / "backup"), 1, DATA)
    stop.set()
    writer.join(300)
    assert not faults
    destroy(full)
    restore(str(tmp_path / "backup"), name)
    assert place_current(DATA) == known_versions()[-1] and verify_record("late-arrivals") == []
    ledger = read_current_ledger().filter(position=FILE)
    held = read_entries(ledger.select("table", "digest").iter_rows())
    assert held.height == ledger["quarantined"].sum() > 0
    assert read_rows(PREDICTIONS).height >= 3


def test_a_backup_inside_of_what_is_backed_up_is_refused(full):
    with pytest.raises(InputError, match="and would be lost with it: name another disk or bucket"):
        back_up(str(full / "backup"), 1, DATA)


def test_what_is_no_backup_is_told(full, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no whole backup, as `ml backup` makes one"):
        restore(str(tmp_path / "empty"), None)
    with pytest.raises(InputError, match="nowhere cannot be used"):
        restore(str(tmp_path / "nowhere"), None)


def test_settings_that_are_there_are_left_and_told(full, tmp_path):
    back_up(str(tmp_path / "backup"), 1, DATA)
    destroy(full)
    (full / "params.yaml").write_text("seed: 5\n")
    _, left = restore(str(tmp_path / "backup"), None)
    assert len(left) == 1 and "params.yaml is another than in the backup" in left[0]
    assert (full / "params.yaml").read_text() == "seed: 5\n"


def test_cleaning_keeps_every_version_that_a_model_or_the_newest_need(full):
    trained_on = known_versions()[1]
    for number in range(3, 7):
        land(full, number)
    log = read_log("late-arrivals")
    record("late-arrivals", log.versions["3"].model_copy(update={"version": "4", "data_version": trained_on}))
    known = known_versions()
    assert needed_versions(2) == dict.fromkeys((known[0], known[-2]), False) | dict.fromkeys(
        (known[-1], trained_on), True
    )
    (gone,) = [waste for waste in find_waste(30, 2) if waste.what.startswith("data of versions")]
    assert gone.files
    remove(gone)
    for version in needed_versions(2):
        assert pull_snapshot.fn(version, DATA).version == version
    assert not [waste for waste in find_waste(30, 2) if waste.files]
    assert (full / "landing" / "flights" / "1.parquet").is_file() and read_rows(QUARANTINE).height == 18


def test_old_caches_and_reports_are_found_and_young_ones_stay(full):
    for folder, name in (("cache/features", "a.parquet"), ("store/reports/late-arrivals", "2013-06-01.html")):
        for age, stem in ((0, "young"), (40 * 24 * 3600, "old")):
            path = full / folder / f"{stem}-{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    found = {path.name for waste in find_waste(30, 10) for path in waste.files}
    assert found == {"old-a.parquet", "old-2013-06-01.html"}
