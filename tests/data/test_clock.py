"""The logical time of a run: as given, or by the clock of params.yaml, and never in the future."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from stores import with_files

from tasks.core.errors import InputError
from tasks.data import clock
from tasks.data.clock import CLOCK_SKEW, newest_hour, resolve_as_of
from tasks.data.reader import read_file
from tasks.data.snapshot import Snapshot

JUNE, MOMENT = datetime(2013, 6, 1, tzinfo=UTC), timedelta(microseconds=1)


def test_the_clock_of_the_data_is_its_newest_known_row_and_a_bare_date_is_utc(snapshot, use_case):
    assert resolve_as_of(None, snapshot, use_case, "data") == datetime(2014, 1, 1, 10, tzinfo=UTC)
    assert resolve_as_of(datetime(2013, 6, 1), snapshot, use_case, "data") == JUNE
    before = datetime.now(UTC)
    assert before <= resolve_as_of(None, snapshot, use_case, "wall") <= datetime.now(UTC)


def test_an_as_of_of_another_time_zone_is_taken_to_utc(snapshot, use_case):
    east = datetime.fromisoformat("2013-06-01T02:00:00+02:00")
    assert str(resolve_as_of(east, snapshot, use_case, "data")) == str(JUNE)


def test_an_as_of_in_the_future_is_refused_and_an_outcome_dated_there_does_not_move_the_clock(
    snapshot, use_case, tmp_path
):
    with pytest.raises(InputError, match=r"as_of 2131-07-01 00:00 lies in the future: is the year right?"):
        resolve_as_of(datetime(2131, 7, 1), snapshot, use_case, "data")
    row = read_file(snapshot, use_case.tables, "flights/2013-05.parquet").head(1)
    row = row.with_columns(time_hour=pl.col("time_hour").dt.offset_by("80y"))
    later = with_files(snapshot, tmp_path, {"flights/2093-05.parquet": row})
    assert resolve_as_of(None, later, use_case, "data") == datetime(2014, 1, 1, 10, tzinfo=UTC)


def test_the_clocks_of_two_machines_may_differ_by_an_hour_and_no_moment_more(orders, orders_case, noon, monkeypatch):
    class Frozen(datetime):
        @classmethod
        def now(cls, zone=None):
            return noon

    monkeypatch.setattr(clock, "datetime", Frozen)
    version = orders([(noon, noon)], prices=[noon])
    assert timedelta(hours=1) == CLOCK_SKEW
    assert resolve_as_of(noon + CLOCK_SKEW, version, orders_case, "data") == noon + CLOCK_SKEW
    with pytest.raises(InputError, match="as_of 2024-01-20 13:00 lies in the future"):
        resolve_as_of(noon + CLOCK_SKEW + MOMENT, version, orders_case, "data")
    assert resolve_as_of(None, version, orders_case, "wall") == noon


def test_an_outcome_known_right_now_counts_and_one_of_a_moment_later_does_not(orders, orders_case, noon):
    placed = noon - timedelta(hours=6)
    version = orders([(placed, noon - timedelta(hours=3)), (placed, noon)], prices=[noon])
    assert newest_hour(version, orders_case, noon) == noon + timedelta(hours=1)
    assert newest_hour(version, orders_case, noon - MOMENT) == noon - timedelta(hours=2)


def test_the_clock_of_the_data_stands_at_the_first_full_hour_at_which_its_newest_hour_is_read(
    orders, orders_case, noon
):
    for newest in (noon, noon + MOMENT, noon + timedelta(hours=1) - MOMENT):
        version = orders([(noon, newest)], prices=[noon])
        assert newest_hour(version, orders_case, noon + timedelta(days=1)) == noon + timedelta(hours=1)


def test_rows_that_wait_for_their_outcome_move_the_clock_once_they_are_asked_for(orders, orders_case, noon):
    version, asked = orders([(noon, None)], prices=[noon]), noon - timedelta(hours=1)
    assert newest_hour(version, orders_case, noon + timedelta(days=9)) == noon
    assert newest_hour(version, orders_case, asked) == noon
    with pytest.raises(InputError, match="data version orders holds no row of orders that was asked for yet"):
        newest_hour(version, orders_case, asked - MOMENT)


def test_a_time_by_which_an_outcome_would_be_known_moves_no_clock_without_the_outcome(orders_case, tmp_path, noon):
    rows = pl.DataFrame(
        {"id": [1], "at": [noon], "known": [noon + timedelta(days=30)], "back": pl.Series([None], dtype=int)}
    )
    version = with_files(Snapshot("orders", {}), tmp_path, {"orders/2024-01.parquet": rows})
    assert resolve_as_of(None, version, orders_case, "data") == noon


def test_an_outcome_of_an_earlier_month_may_be_newer_than_what_was_asked_for_last(orders_case, tmp_path):
    at = [datetime(2024, month, 20, tzinfo=UTC) for month in (1, 2)]
    rows = pl.DataFrame({"at": at, "known": [datetime(2024, 3, 5, 9, 30, tzinfo=UTC), None], "back": [1, None]})
    months = {f"orders/2024-0{n + 1}.parquet": rows[n : n + 1].with_columns(id=pl.lit(n)) for n in range(2)}
    version = with_files(Snapshot("orders", {}), tmp_path, months)
    assert resolve_as_of(None, version, orders_case, "data") == datetime(2024, 3, 5, 10, tzinfo=UTC)


def test_a_table_to_predict_in_one_file_tells_the_same_time_as_in_months(snapshot, use_case, tmp_path):
    names = ["flights/2013-01.parquet", "flights/2013-02.parquet"]
    others = {name: path for name, path in snapshot.files.items() if not name.startswith("flights/")}
    whole = pl.concat(pl.read_parquet(snapshot.files[name]) for name in names)
    single = with_files(Snapshot("single", others), tmp_path, {"flights.parquet": whole})
    monthly = Snapshot("monthly", others | {name: snapshot.files[name] for name in names})
    assert resolve_as_of(None, single, use_case, "data") == resolve_as_of(None, monthly, use_case, "data")
