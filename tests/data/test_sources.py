"""What lands is taken in once: added, unchanged, a late label or a correction, and nothing is lost or doubled."""

import shutil
import subprocess
import sys

import dataframely as dy
import polars as pl
import pytest
from landings import set_back, take_in_all

from project.contract import TABLES
from tasks.core.errors import DataError, InputError
from tasks.core.tables import read_rows
from tasks.data.arrivals import ARRIVED
from tasks.data.merge import Merge, merge_rows
from tasks.data.quarantine import QUARANTINE
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.data.working_copy import place_version
from tasks.features.table import TIME, Table
from tasks.operations.landing_page import describe_landed

KEY = ["time_hour", "minute", "carrier", "flight", "origin"]


@pytest.fixture
def ingest(own_workspace):
    """Call it to take in what landed; returns the changes of each file."""
    return lambda: take_in_all().changes


@pytest.fixture
def january(snapshot):
    return pl.read_parquet(snapshot.files["flights/2013-01.parquet"])


def land(workspace, rows: pl.DataFrame, name: str, table: str = "flights") -> None:
    folder = workspace / "landing" / table
    folder.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(folder / name)
    set_back(folder / name)


def stored(workspace) -> pl.DataFrame:
    return pl.read_parquet(workspace / "data" / "flights" / "2013-01.parquet")


def test_a_fresh_clone_first_puts_the_version_in_place(own_workspace, ingest, january):
    shutil.rmtree(own_workspace / ".dvc" / "cache")
    assert ingest() == []
    assert stored(own_workspace).equals(january)
    assert len(list((own_workspace / "data").rglob("*.parquet"))) == 15


def test_added_unchanged_late_and_corrected_rows_are_told_apart(own_workspace, ingest, january):
    known = january.filter(pl.col("arr_delay").is_not_null())
    late = known.head(1).with_columns(pl.lit(None, pl.Int16).alias(c) for c in ("arr_delay", "air_time"))
    first = pl.concat([late, known[1:3]]).with_columns(flight=pl.lit(9001, pl.Int16))
    land(own_workspace, first, "a.parquet")
    assert ingest()[0][2:] == (3, 0, 3, 0, 0, 0)
    second = known[:4].with_columns(flight=pl.lit(9001, pl.Int16))
    second = second.with_columns(arr_delay=pl.when(pl.int_range(4) == 2).then(99).otherwise("arr_delay").cast(pl.Int16))
    land(own_workspace, second, "b.parquet")
    assert ingest()[0][2:] == (4, 0, 1, 1, 1, 1)
    ours = stored(own_workspace).filter(pl.col("flight") == 9001).sort(KEY)
    assert ours.equals(second.sort(KEY)) and stored(own_workspace).height == january.height + 4


def test_a_file_lands_once_and_its_content_once_under_another_name(own_workspace, ingest, january):
    land(own_workspace, january.head(5).with_columns(flight=pl.lit(9001, pl.Int16)), "a.parquet")
    assert len(ingest()) == 1 and ingest() == []
    landed = own_workspace / "landing" / "flights"
    shutil.copy(landed / "a.parquet", landed / "b.parquet")
    assert ingest() == []


def test_a_file_that_is_touched_by_a_backup_does_not_land_again(own_workspace, ingest, january):
    land(own_workspace, january.head(5).with_columns(flight=pl.lit(9001, pl.Int16)), "a.parquet")
    ingest()
    file = own_workspace / "landing" / "flights" / "a.parquet"
    file.chmod(0o600)
    file.with_name("link").hardlink_to(file)
    assert ingest() == []


def test_a_null_erases_nothing_that_is_known(own_workspace, ingest, january):
    known = january.filter(pl.col("arr_delay").is_not_null()).head(3).with_columns(flight=pl.lit(9001, pl.Int16))
    land(own_workspace, known, "a.parquet")
    unknown = known.with_columns(pl.lit(None, pl.Int16).alias(column) for column in ("arr_delay", "air_time"))
    land(own_workspace, unknown, "b.parquet")
    assert [change[2:] for change in ingest()] == [(3, 0, 3, 0, 0, 0), (3, 0, 0, 3, 0, 0)]
    assert stored(own_workspace).filter(pl.col("flight") == 9001)["arr_delay"].is_not_null().all()


def test_a_change_beside_nulls_is_a_correction_that_keeps_the_outcome(own_workspace, ingest, january):
    known = january.filter(pl.col("arr_delay").is_not_null()).head(2).with_columns(flight=pl.lit(9001, pl.Int16))
    land(own_workspace, known, "a.parquet")
    unknown = [pl.lit(None, pl.Int16).alias(column) for column in ("arr_delay", "air_time")]
    swapped = known.with_columns(*unknown, tailnum=pl.lit("N2"))
    land(own_workspace, swapped, "b.parquet")
    assert [change[2:] for change in ingest()] == [(2, 0, 2, 0, 0, 0), (2, 0, 0, 0, 0, 2)]
    ours = stored(own_workspace).filter(pl.col("flight") == 9001)
    assert ours["tailnum"].to_list() == ["N2", "N2"] and ours["arr_delay"].is_not_null().all()


def test_a_row_that_changes_takes_the_place_of_a_key_that_data_holds_twice(january, use_case):
    before = january.head(3).with_columns(pl.lit(None, TIME).alias(ARRIVED))
    changed = before.head(1).with_columns(arr_delay=pl.lit(99, pl.Int16))
    merged, counts = merge_rows(use_case.predicted, pl.concat([before, before.head(1)]), changed)
    assert counts == (0, 0, 0, 1) and merged.sort(KEY).equals(pl.concat([changed, before[1:]]).sort(KEY))


def test_columns_that_are_called_like_helpers_of_the_merge_hold_their_own_values():
    class Odd(dy.Schema):
        id = dy.Int64(primary_key=True)
        known = dy.String(nullable=True)
        price = dy.Int64()
        price_before = dy.Int64()

    before = pl.DataFrame({"id": [1, 2], "known": ["web", None], "price": [1, 2], "price_before": [3, 4]})
    before = before.with_columns(pl.lit(None, TIME).alias(ARRIVED))
    rows = pl.concat([before, before.tail(1).with_columns(id=pl.lit(3, pl.Int64))])
    merged, counts = merge_rows(Table(schema=Odd), before, rows)
    assert counts == (1, 2, 0, 0) and merged["id"].to_list() == [1, 2, 3]
    assert merged["known"].to_list() == ["web", None, None] and merged["price_before"].to_list() == [3, 4, 4]


def test_the_news_of_a_landing_tells_the_rows_and_span_of_each_table(own_workspace, january, tables, use_case):
    land(own_workspace, january.head(2), "a.parquet")
    land(own_workspace, january.tail(1), "b.parquet")
    land(own_workspace, pl.read_parquet(own_workspace / "landing" / "flights" / "a.parquet").head(0), "c.parquet")
    landing = take_in_all()
    span = {"start": "2013-01-01T10:15:00+00:00", "end": january.select(use_case.event_time.max()).item().isoformat()}
    assert describe_landed(landing, "flights") == {"table": "flights", "rows": 3, **span}


def test_a_table_in_several_files_cannot_be_landed_on(snapshot, use_case, tables):
    files = {name.replace("weather.parquet", "weather/2013-01.parquet"): path for name, path in snapshot.files.items()}
    merge = Merge(Snapshot("v", files), use_case.tables)
    with pytest.raises(DataError, match=r"data/weather/ holds several files: .* make it data/weather.parquet"):
        merge.add("weather", tables["weather"].head(3).with_columns(pl.lit(None, TIME).alias(ARRIVED)))


def test_a_file_put_into_data_while_it_landed_is_kept(own_workspace, ingest, january, params):
    ingest()
    (own_workspace / "data" / "mine.parquet").write_bytes(b"mine")
    (own_workspace / "data" / "download.part").write_bytes(b"half")
    with pytest.raises(InputError, match=r"data/mine.parquet is in no data version"):
        place_version.fn(pull_snapshot.fn(None, params.data))
    (own_workspace / "data" / "mine.parquet").unlink()
    place_version.fn(pull_snapshot.fn(None, params.data))
    assert (own_workspace / "data" / "download.part").read_bytes() == b"half"


def test_a_row_lands_in_the_month_of_its_event_in_utc(own_workspace, ingest, january):
    rows = january.head(2).with_columns(flight=pl.lit(9001, pl.Int16), time_hour=pl.col("time_hour").dt.offset_by("2y"))
    land(own_workspace, rows, "a.parquet")
    ingest()
    assert pl.read_parquet(own_workspace / "data" / "flights" / "2015-01.parquet").height == 2


def test_broken_rows_go_to_quarantine_and_a_file_of_too_many_is_set_aside(own_workspace, ingest, january, store):
    good = january.head(200).with_columns(flight=pl.int_range(5000, 5200, dtype=pl.Int16))
    bad = good.with_columns(distance=pl.when(pl.int_range(200) == 7).then(-1).otherwise("distance").cast(pl.Int16))
    land(own_workspace, bad, "a.parquet")
    change = ingest()[0]
    assert (change.read, change.quarantined, change.added) == (200, 1, 199)
    assert read_rows(QUARANTINE).height == 1
    version = (own_workspace / "data.dvc").read_text()
    land(own_workspace, january.head(100).with_columns(distance=pl.lit(-1, pl.Int16)), "b.parquet")
    landing = take_in_all()
    assert landing.changes == [] and "b.parquet: 100 of 100 rows break the contract" in landing.bad[0].reason
    assert (own_workspace / "data.dvc").read_text() == version


def test_an_edit_by_hand_is_refused_and_kept(own_workspace, ingest):
    ingest()
    mine = own_workspace / "data" / "planes.parquet"
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"data/planes.parquet is in no data version"):
        ingest()
    assert mine.read_bytes() == b"mine"


def test_a_table_that_the_contract_does_not_know_is_named(own_workspace, january):
    land(own_workspace, january, "a.parquet", table="fligths")
    (bad,) = take_in_all().bad
    assert bad.reason.startswith("landing/fligths/a.parquet: there is no table fligths in project/contract.py")


def test_dvc_finds_the_version_in_order(own_workspace, ingest, january):
    land(own_workspace, january.head(5).with_columns(flight=pl.lit(9001, pl.Int16)), "a.parquet")
    ingest()
    (own_workspace / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    status = [sys.executable, "-m", "dvc", "status"]
    done = subprocess.run(status, cwd=own_workspace, capture_output=True, text=True)
    assert "up to date" in done.stdout, done.stdout + done.stderr


def test_rows_of_the_data_are_known_to_no_earlier_version(own_workspace, ingest, january, params):
    before = pull_snapshot.fn(None, params.data).version
    land(own_workspace, january.head(5).with_columns(flight=pl.lit(9001, pl.Int16)), "a.parquet")
    ingest()
    old = pull_snapshot.fn(before, params.data)
    assert pl.read_parquet(old.files["flights/2013-01.parquet"]).equals(january)
    assert january.select(TABLES["flights"].outcomes_known_at.is_not_null().any()).item()
