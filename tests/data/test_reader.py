"""Tables are read as of a moment; a column, a table or a time that is missing is named."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from stores import with_files

from tasks.core.errors import InputError
from tasks.data import reader
from tasks.data.context import read_timed_tables, time_of
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import know, months, read_file, read_table
from tasks.data.snapshot import Snapshot

JANUARY, JUNE = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def test_nothing_known_at_or_after_as_of_is_known(snapshot, use_case):
    as_of = datetime(2013, 1, 15, 12, tzinfo=UTC)
    for name in ("flights", "weather"):
        table, rows = use_case.tables[name], read_table(snapshot, use_case, name, JANUARY, JUNE)
        known = know(use_case, name, rows, as_of)
        assert rows.height > known.height > 100
        assert known.select((table.row_known_at < as_of).all()).item()
        for outcome in table.outcomes:
            told = known.filter(pl.col(outcome).is_not_null())
            assert 0 < told.height == told.filter(table.outcomes_known_at < as_of).height


def test_a_row_known_exactly_at_as_of_is_not_known_and_a_moment_later_it_is(orders, orders_case, noon):
    start, end, hour = noon - timedelta(days=9), noon + timedelta(days=9), timedelta(hours=1)
    rows = [
        (noon - 2 * hour, noon),  # asked for one hour before its event
        (noon + hour - MOMENT, None),
        (noon + hour, None),
        (noon - 3 * hour, noon + 2 * hour),
    ]
    version = orders(rows, prices=[noon - MOMENT, noon])
    for table, before, after in (("orders", [0, 1, 3], [0, 1, 2, 3]), ("prices", [0], [0, 1])):
        found = read_table(version, orders_case, table, start, end)
        assert know(orders_case, table, found, noon)["id"].sort().to_list() == before
        assert know(orders_case, table, found, noon + MOMENT)["id"].sort().to_list() == after
    outcomes = read_table(version, orders_case, "orders", start, end)
    for as_of, told in ((noon, []), (noon + MOMENT, [0]), (noon + 3 * hour, [0, 3])):
        known = know(orders_case, "orders", outcomes, as_of)
        assert known.filter(pl.col("back").is_not_null())["id"].sort().to_list() == told


def test_a_row_at_the_start_of_a_span_is_read_and_one_at_its_end_is_not(orders, orders_case, noon):
    end = noon + timedelta(days=1)
    times = [noon - MOMENT, noon, end - MOMENT, end]
    version = orders([(time, time) for time in times], prices=times)
    for table in ("orders", "prices"):
        assert read_table(version, orders_case, table, noon, end)["id"].to_list() == [1, 2]


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_a_table_is_the_same_in_whatever_parts_it_is_read(size, orders, orders_case, noon, monkeypatch):
    times = [noon + timedelta(days=day) for day in range(4)]
    version = orders([(noon, noon)], prices=times)
    whole = read_table(version, orders_case, "prices", noon, noon + timedelta(days=3))
    monkeypatch.setattr(reader, "SLICE", size)
    assert whole.equals(read_table(version, orders_case, "prices", noon, noon + timedelta(days=3)))
    assert whole["id"].to_list() == [0, 1, 2]


def test_the_first_month_of_a_year_sees_what_became_known_before_it(orders, orders_case):
    december, january, end = (
        datetime(year, month, 1, tzinfo=UTC) for year, month in ((2023, 12), (2024, 1), (2024, 2))
    )
    prices = [january - timedelta(hours=hours) for hours in range(-3, 3)]
    version = orders([(january, january)], prices=prices)
    read = dict(read_timed_tables(version, orders_case, [(december, january), (january, end)]))
    alone = dict(read_timed_tables(version, orders_case, [(january, end)]))
    near = read[january, end]["prices"]
    assert near.equals(alone[january, end]["prices"])
    assert near.filter(time_of(orders_case, "prices") < january).height > 0


def test_months_come_in_the_order_of_time_however_their_files_are_named(snapshot, use_case):
    names = [f"flights/2013-{month}.parquet" for month in range(1, 13)] + ["flights/old/2012-12.parquet"]
    files = dict.fromkeys(names, snapshot.files["flights/2013-01.parquet"])
    starts = [start for start, _ in months(Snapshot("unpadded", files), use_case)]
    assert starts == sorted(starts) and len(starts) == 13


def test_a_missing_column_is_named_with_file_and_table(snapshot, use_case, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).drop("tailnum")
    with pytest.raises(InputError, match=r"planes.parquet lacks the column 'tailnum'.*contract"):
        read_file(with_files(snapshot, tmp_path, {"planes.parquet": planes}), use_case.tables, "planes.parquet")


def test_a_column_that_the_contract_has_gained_is_null_in_older_files(snapshot, use_case, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).drop("year")
    read = read_file(with_files(snapshot, tmp_path, {"planes.parquet": planes}), use_case.tables, "planes.parquet")
    assert read["year"].null_count() == planes.height


def test_numbers_that_are_none_of_the_declared_type_are_told_with_file_and_column(snapshot, use_case, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).with_columns(pl.col("year") + 0.5)
    with pytest.raises(InputError, match=r"data/planes.parquet: year is Float64, but .* Int16, which some values are"):
        read_file(with_files(snapshot, tmp_path, {"planes.parquet": planes}), use_case.tables, "planes.parquet")


def test_a_missing_table_is_named(snapshot, use_case, params):
    without = Snapshot(snapshot.version, {k: v for k, v in snapshot.files.items() if k != "weather.parquet"})
    with pytest.raises(InputError, match=r"lacks data/weather.parquet"):
        build_feature_frame.fn(without, use_case, datetime(2013, 2, 1, tzinfo=UTC), None, params.validation)


@pytest.mark.parametrize("moved", [pl.col("time_hour").dt.offset_by("1mo"), pl.lit(None, pl.Datetime("us", "UTC"))])
def test_rows_that_no_month_would_show_stop_the_run(snapshot, use_case, tmp_path, params, moved):
    rows = read_file(snapshot, use_case.tables, "flights/2013-01.parquet")
    wrong = rows.with_columns(time_hour=pl.when(pl.int_range(pl.len()) < 7).then(moved).otherwise("time_hour"))
    strays = with_files(snapshot, tmp_path, {"flights/2013-01.parquet": wrong})
    with pytest.raises(InputError, match=r"data/flights/2013-01.parquet holds 7 rows without an event time or of ano"):
        build_feature_frame.fn(strays, use_case, datetime(2013, 2, 1, tzinfo=UTC), None, params.validation)


@pytest.mark.parametrize("stray", [datetime(2024, 1, 1, tzinfo=UTC) - MOMENT, datetime(2024, 2, 1, tzinfo=UTC)])
def test_the_first_moment_of_a_month_lies_in_its_file_and_that_of_the_next_does_not(orders, orders_case, noon, stray):
    def read(*times: datetime) -> pl.DataFrame:
        version = orders([(time, time) for time in times], prices=[noon])
        start, end = stray - timedelta(days=60), stray + timedelta(days=60)
        return read_table(version, orders_case, "orders", start, end)

    first = datetime(2024, 1, 1, tzinfo=UTC)
    assert read(first, first + timedelta(days=31) - MOMENT).height == 2
    with pytest.raises(InputError, match=r"data/orders/2024-01.parquet holds 1 row without an event time or of ano"):
        read(noon, stray)


def test_a_file_that_is_no_parquet_is_named(snapshot, use_case, tmp_path):
    (tmp_path / "text").write_text("not a table")
    broken = Snapshot(snapshot.version, {"planes.parquet": tmp_path / "text"})
    with pytest.raises(InputError, match=r"data/planes.parquet is no parquet file"):
        read_file(broken, use_case.tables, "planes.parquet")


def test_a_column_of_the_wrong_type_is_named_with_file_and_both_types(snapshot, use_case, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).cast({"year": pl.String})
    with pytest.raises(InputError, match=r"planes.parquet: year is String, but project/contract.py declares Int16"):
        read_file(with_files(snapshot, tmp_path, {"planes.parquet": planes}), use_case.tables, "planes.parquet")


def test_whole_numbers_wider_than_declared_are_read(snapshot, use_case, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).cast({"year": pl.Int64})
    wider = with_files(snapshot, tmp_path, {"planes.parquet": planes})
    assert read_file(wider, use_case.tables, "planes.parquet").height == planes.height


def test_a_monthly_file_with_another_name_is_named(snapshot, use_case):
    january = {"flights/january.parquet": snapshot.files["flights/2013-01.parquet"]}
    misnamed = Snapshot("misnamed", snapshot.files | january)
    with pytest.raises(InputError, match=r"data/flights/january.parquet: name the files .* such as 2024-03.parquet"):
        months(misnamed, use_case)


def test_times_of_another_zone_are_taken_to_utc_and_times_without_one_are_refused_by_file_and_column(
    orders, orders_case, noon, tmp_path
):
    file, version = "orders/2024-01.parquet", orders([(noon, noon)], prices=[noon])
    rows, at = read_file(version, orders_case.tables, file), pl.col("at").dt
    berlin = with_files(version, tmp_path, {file: rows.with_columns(at.convert_time_zone("Europe/Berlin"))})
    read = read_file(berlin, orders_case.tables, file)
    assert read.equals(rows)
    assert read.schema == rows.schema
    naive = with_files(version, tmp_path, {file: rows.with_columns(at.replace_time_zone(None))})
    with pytest.raises(InputError, match=f"data/{file}: at is a time without a zone: write it with one"):
        read_file(naive, orders_case.tables, file)
