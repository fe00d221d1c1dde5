"""Deliveries in any order, doubled, restored and corrected, give what their arrival order gives."""

import json
import os
import random
import shutil
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest
from landings import set_back, take_in_all

from tasks.data.deliveries import open_news
from tasks.data.landing import LandingPlace
from tasks.data.ledger import SCHEMA
from tasks.data.places import Places
from tasks.features.table import Table

START = datetime(2013, 5, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)
LATEST, FILES = 40, 40


class Readings(dy.Schema):
    """One reading of a meter."""

    meter = dy.Int16(primary_key=True)
    at = dy.Datetime(time_zone="UTC", primary_key=True)
    value = dy.Int64(nullable=True)
    note = dy.String(nullable=True)
    updated = dy.Int64(nullable=True)


TABLES = {"readings": Table(schema=Readings, event_time=pl.col("at"))}


def make_deliveries(seed: int, nulls: float) -> list[pl.DataFrame]:
    """Rows of 40 files in the order of their arrival, which share most of their keys."""
    rng = random.Random(seed)
    deliveries = []
    for number in range(FILES):
        keys = rng.sample(range(30), 8)
        values = [None if rng.random() < nulls else number * 100 + key for key in keys]
        rows = {"meter": keys, "at": [START + timedelta(hours=key) for key in keys], "value": values}
        rows |= {"note": [f"file {number}"] * 8, "updated": [number] * 8}
        deliveries.append(pl.DataFrame(rows, schema=Readings.create_empty().schema))
    return deliveries


def fold(deliveries: list[pl.DataFrame]) -> dict:
    """What the deliveries come to, one after the other: a value takes the place of another, a null of none."""
    found: dict = {}
    for row in (row for rows in deliveries for row in rows.iter_rows(named=True)):
        known = found.setdefault((row["meter"], row["at"]), dict(row))
        known |= {name: value for name, value in row.items() if value is not None}
    return found


def stored(workspace) -> dict:
    rows = pl.read_parquet(workspace / "data" / "readings" / "2013-05.parquet")
    return {(row["meter"], row["at"]): row for row in rows.iter_rows(named=True)}


def put(workspace, name: str, rows: pl.DataFrame, number: int) -> None:
    """A file that arrived as the n-th."""
    path = workspace / "landing" / "readings" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    moment = (NOW - timedelta(minutes=LATEST - number)).timestamp()
    os.utime(path, (moment, moment))


@pytest.mark.parametrize("seed", range(3))
def test_files_of_any_name_are_taken_in_as_they_arrived(own_workspace, seed):
    deliveries, rng = make_deliveries(seed, nulls=0.3), random.Random(seed)
    for number, name in enumerate(rng.sample(range(1000), FILES)):
        put(own_workspace, f"part_{name}.parquet", deliveries[number], number)
    take_in_all(TABLES)
    assert stored(own_workspace) == fold(deliveries)


@pytest.mark.parametrize("seed", range(3))
def test_files_that_come_out_of_order_doubled_and_restored_give_the_same(own_workspace, seed):
    deliveries, rng = make_deliveries(seed, nulls=0), random.Random(seed)
    order = rng.sample(range(FILES), FILES)
    landing = own_workspace / "landing" / "readings"
    for first in range(0, FILES, 8):
        for number in order[first : first + 8]:
            put(own_workspace, f"{number}.parquet", deliveries[number], number)
        if first:
            restored = order[first - 8]
            shutil.copy(landing / f"{restored}.parquet", landing / f"again-{restored}.parquet")
            set_back(landing / f"again-{restored}.parquet", 5)
            set_back(landing / f"{restored}.parquet", 5)
        landed = take_in_all(TABLES)
        assert len(landed.changes) == 8 and landed.bad == []
    assert stored(own_workspace) == fold(deliveries)


def test_a_version_column_decides_in_place_of_the_arrival(own_workspace):
    tables = {"readings": Table(schema=Readings, event_time=pl.col("at"), version="updated")}
    deliveries = make_deliveries(1, nulls=0)
    for number, rows in enumerate(reversed(deliveries)):
        put(own_workspace, f"{number}.parquet", rows, number)
    take_in_all(tables)
    assert stored(own_workspace) == fold(deliveries)


def test_of_two_versions_of_a_row_in_one_file_the_newer_counts(own_workspace):
    tables = {"readings": Table(schema=Readings, event_time=pl.col("at"), version="updated")}
    old, new = (rows.head(1) for rows in make_deliveries(1, nulls=0)[:2])
    new = new.with_columns(old["meter"], old["at"])
    put(own_workspace, "a.parquet", pl.concat([new, old]), 0)
    (change,) = take_in_all(tables).changes
    assert (change.added, change.unchanged, change.quarantined) == (1, 1, 0) and stored(own_workspace) == fold(
        [old, new]
    )


def test_where_the_newer_version_of_a_row_is_bad_or_lacks_a_value_the_older_one_counts(own_workspace):
    """As it does where the two come in files of their own."""

    class Bounded(Readings):
        value = dy.Int64(nullable=True, min=0)

    tables = {"readings": Table(schema=Bounded, event_time=pl.col("at"), version="updated")}
    old, other = make_deliveries(1, nulls=0)[0].head(2).with_columns(note=pl.lit("old")).iter_slices(1)
    bad = old.with_columns(value=pl.lit(-1, pl.Int64), updated=pl.lit(9, pl.Int64))
    without = other.with_columns(note=pl.lit(None, pl.String), value=pl.lit(5, pl.Int64), updated=pl.lit(9, pl.Int64))
    put(own_workspace, "a.parquet", pl.concat([bad, without, old, other, *[other] * 97]), 0)
    (change,) = take_in_all(tables).changes
    assert (change.read, change.added, change.quarantined, change.unchanged) == (101, 2, 1, 98)
    assert stored(own_workspace) == fold([old, other, without])


@pytest.mark.parametrize(("name", "news"), [("endpoint-rows-{}.jsonl", 3), ("part-{}.jsonl", 2)])
def test_rows_sent_anew_after_another_value_are_news_where_an_endpoint_took_them(own_workspace, name, news):
    """Their files are cut by the endpoint, so that the third is the first again; of other files it is one restored."""
    folder = own_workspace / "landing" / "readings"
    folder.mkdir(parents=True)
    for number, value in enumerate((1, 0, 1)):
        row = {"meter": 1, "at": START.isoformat(), "value": value, "note": "n", "updated": 1}
        (folder / name.format(number)).write_text(json.dumps(row) + "\n")
        set_back(folder / name.format(number), 30 - number)
        take_in_all(TABLES)
    assert [row["value"] for row in stored(own_workspace).values()] == [1 if news == 3 else 0]
    assert take_in_all(TABLES).changes == []


def test_a_row_that_came_again_later_is_not_undone_by_one_from_between(own_workspace):
    first, between, later = make_deliveries(0, nulls=0)[:3]
    between, later = (rows.with_columns(first["meter"], first["at"]) for rows in (between, later))
    again = later.with_columns(first["value"], first["note"], first["updated"])
    for number, (place, rows) in enumerate([(0, first), (2, again), (1, between)]):
        put(own_workspace, f"{number}.parquet", rows.sort("value", descending=bool(number)), place)
        take_in_all(TABLES)
    assert stored(own_workspace) == fold([first, between, again])


def test_what_the_contract_declares_no_longer_stays_in_the_data(own_workspace):
    first, second = make_deliveries(0, nulls=0)[:2]
    put(own_workspace, "a.parquet", first, 0)
    take_in_all(TABLES)

    class Fewer(dy.Schema):
        meter = dy.Int16(primary_key=True)
        at = dy.Datetime(time_zone="UTC", primary_key=True)
        value = dy.Int64(nullable=True)

    put(own_workspace, "b.parquet", second, 1)
    take_in_all({"readings": Table(schema=Fewer, event_time=pl.col("at"))})
    notes = pl.read_parquet(own_workspace / "data" / "readings" / "2013-05.parquet")["note"]
    assert notes.drop_nulls().to_list() == ["file 0"] * 8


def test_a_corrected_file_of_the_same_name_lands_and_a_touched_one_does_not(own_workspace):
    first, second = make_deliveries(0, nulls=0)[:2]
    put(own_workspace, "a.parquet", first, 0)
    assert len(take_in_all(TABLES).changes) == 1
    put(own_workspace, "a.parquet", first, 1)
    assert take_in_all(TABLES).changes == []
    put(own_workspace, "a.parquet", second, 2)
    assert len(take_in_all(TABLES).changes) == 1 and stored(own_workspace) == fold([first, second])


def test_a_clock_that_runs_ahead_does_not_win_for_ever(own_workspace):
    ahead, after = make_deliveries(0, nulls=0)[:2]
    put(own_workspace, "a.parquet", ahead, LATEST + 100_000)
    take_in_all(TABLES)
    put(own_workspace, "b.parquet", after, LATEST)
    set_back(own_workspace / "landing" / "readings" / "b.parquet", -1)
    take_in_all(TABLES)
    assert stored(own_workspace) == fold([ahead, after])


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(own_workspace, monkeypatch, capsys):
    rows = make_deliveries(0, nulls=0)[0]
    put(own_workspace, "a.parquet", rows, 0)
    put(own_workspace, "gone.parquet", rows.head(3), 0)
    read = LandingPlace._read

    def read_while_it_grows(place, name):
        path = own_workspace / "landing" / name
        if name.endswith("gone.parquet"):
            path.unlink()
        content = read(place, name)
        path.write_bytes(content + b"more")
        return content

    monkeypatch.setattr(LandingPlace, "_read", read_while_it_grows)
    empty = pl.DataFrame(schema=SCHEMA)
    assert list(open_news(Places(LandingPlace("landing"), {}, timedelta(seconds=60)), TABLES, empty)) == []
    assert capsys.readouterr().out.count("is being written or was taken away: the next run looks again") == 2


@pytest.mark.slow
def test_deliveries_by_another_machine_go_into_one_line_of_versions(s3_store, two_workspaces, tmp_path):
    from stores import use_workspace

    from tasks.data.versions import known_versions

    deliveries = make_deliveries(0, nulls=0)
    for number, folder in enumerate(two_workspaces * 3):
        use_workspace(folder)
        config = f"[core]\n    remote = shared\n['remote \"shared\"']\n    url = {tmp_path / 'remote'}\n"
        (folder / ".dvc" / "config").write_text(config)
        put(folder, f"{number}.parquet", deliveries[number], number)
        assert len(take_in_all(TABLES).changes) == 1
    assert stored(folder) == fold(deliveries[:6]) and len(known_versions()) == 7
