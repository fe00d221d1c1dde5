"""Tables are read as of a moment; a column, a table or a time that is missing is named."""

from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from project.contract import KNOWN_AT
from tasks.core.errors import InputError
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import months, read_file, read_table, resolve_as_of
from tasks.data.snapshot import Snapshot
from tasks.training.split import labelled_rows

JANUARY, JUNE = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC)


def replaced(snapshot: Snapshot, tmp_path, file: str, frame: pl.DataFrame) -> Snapshot:
    """The snapshot with one file replaced."""
    path = tmp_path / "replaced.parquet"
    frame.write_parquet(path)
    return Snapshot(snapshot.version, snapshot.files | {file: path})


def test_nothing_known_at_or_after_as_of_is_read(snapshot):
    as_of = datetime(2013, 1, 15, 12, tzinfo=UTC)
    for table in KNOWN_AT:
        rows = read_table(snapshot, table, JANUARY, JUNE, as_of)
        assert rows.height > 100
        assert rows.select((KNOWN_AT[table] < as_of).all()).item()


def test_the_clock_of_the_data_is_its_newest_known_row_and_a_bare_date_is_utc(snapshot):
    assert resolve_as_of(None, snapshot, "data") == datetime(2014, 1, 1, 10, tzinfo=UTC)
    assert resolve_as_of(datetime(2013, 6, 1), snapshot, "data") == JUNE
    assert abs(resolve_as_of(None, snapshot, "wall") - datetime.now(UTC)).total_seconds() < 5


def test_an_as_of_in_the_future_is_refused_and_an_outcome_dated_there_does_not_move_the_clock(snapshot, tmp_path):
    with pytest.raises(InputError, match=r"as_of 2131-07-01 00:00 lies in the future: is the year right?"):
        resolve_as_of(datetime(2131, 7, 1), snapshot, "data")
    row = read_file(snapshot, "flights/2013-05.parquet").head(1)
    row.with_columns(time_hour=pl.col("time_hour").dt.offset_by("80y")).write_parquet(tmp_path / "row.parquet")
    later = Snapshot(snapshot.version, snapshot.files | {"flights/2093-05.parquet": tmp_path / "row.parquet"})
    assert resolve_as_of(None, later, "data") == datetime(2014, 1, 1, 10, tzinfo=UTC)


def test_a_missing_column_is_named_with_file_and_table(snapshot, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).drop("year")
    with pytest.raises(InputError, match=r"planes.parquet lacks the column 'year'.*contract"):
        read_file(replaced(snapshot, tmp_path, "planes.parquet", planes), "planes.parquet")


def test_a_missing_table_is_named(snapshot, params):
    without = Snapshot(snapshot.version, {k: v for k, v in snapshot.files.items() if k != "weather.parquet"})
    with pytest.raises(InputError, match=r"lacks data/weather.parquet"):
        build_feature_frame.fn(without, datetime(2013, 2, 1, tzinfo=UTC), None, params.validation)


@pytest.mark.parametrize("file", ["planes.parquet", "weather.parquet"])
def test_an_empty_table_stops_the_run(snapshot, tmp_path, params, file):
    empty = replaced(snapshot, tmp_path, file, pl.read_parquet(snapshot.files[file]).clear())
    with pytest.raises(InputError, match=f"the table {file.split('.')[0]} holds no row"):
        build_feature_frame.fn(empty, datetime(2013, 2, 1, tzinfo=UTC), None, params.validation)


def test_as_of_before_the_data_starts_says_when_it_starts(snapshot, params):
    with pytest.raises(
        InputError, match=r"2012-05-01 00:00 lies outside the data, which reaches from 2013-01 to 2014-01"
    ):
        build_feature_frame.fn(snapshot, datetime(2012, 5, 1, tzinfo=UTC), None, params.validation)


@pytest.mark.parametrize("moved", [pl.col("time_hour").dt.offset_by("1mo"), pl.lit(None, pl.Datetime("us", "UTC"))])
def test_rows_that_no_month_would_show_stop_the_run(snapshot, tmp_path, params, moved):
    rows = read_file(snapshot, "flights/2013-01.parquet")
    wrong = rows.with_columns(time_hour=pl.when(pl.int_range(pl.len()) < 7).then(moved).otherwise("time_hour"))
    strays = replaced(snapshot, tmp_path, "flights/2013-01.parquet", wrong)
    with pytest.raises(InputError, match=r"data/flights/2013-01.parquet holds 7 rows without an event time or of ano"):
        build_feature_frame.fn(strays, datetime(2013, 2, 1, tzinfo=UTC), None, params.validation)


def test_a_file_that_is_no_parquet_is_named(snapshot, tmp_path):
    (tmp_path / "text").write_text("not a table")
    broken = Snapshot(snapshot.version, {"planes.parquet": tmp_path / "text"})
    with pytest.raises(InputError, match=r"data/planes.parquet is no parquet file"):
        read_file(broken, "planes.parquet")


def test_a_column_of_the_wrong_type_is_named_with_file_and_both_types(snapshot, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).cast({"year": pl.String})
    with pytest.raises(InputError, match=r"planes.parquet: year is String, but project/contract.py declares Int16"):
        read_file(replaced(snapshot, tmp_path, "planes.parquet", planes), "planes.parquet")


def test_whole_numbers_wider_than_declared_are_read(snapshot, tmp_path):
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).cast({"year": pl.Int64})
    assert read_file(replaced(snapshot, tmp_path, "planes.parquet", planes), "planes.parquet").height == planes.height


def test_a_target_that_is_null_everywhere_is_told_before_anything_is_fitted(snapshot, tmp_path, params, store):
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    outcomes = january.with_columns(pl.lit(None, pl.Int16).alias(name) for name in ("arr_delay", "air_time"))
    changed = replaced(snapshot, tmp_path, "flights/2013-01.parquet", outcomes)
    frame, _ = build_feature_frame.fn(changed, datetime(2013, 1, 25, tzinfo=UTC), None, params.validation)
    with pytest.raises(InputError, match=r"TARGET in project/contract.py is null for every row"):
        labelled_rows(frame)


def test_a_table_to_predict_may_be_one_file(snapshot, tmp_path, params, store):
    names = ["flights/2013-01.parquet", "flights/2013-02.parquet"]
    pl.concat(pl.read_parquet(snapshot.files[name]) for name in names).write_parquet(tmp_path / "flights.parquet")
    others = {name: path for name, path in snapshot.files.items() if not name.startswith("flights/")}
    single = Snapshot("single", others | {"flights.parquet": tmp_path / "flights.parquet"})
    as_of = datetime(2013, 3, 1, tzinfo=UTC)
    whole = build_feature_frame.fn(single, as_of, None, params.validation)
    assert_frame_equal(whole[0], build_feature_frame.fn(snapshot, as_of, None, params.validation)[0])
    monthly = Snapshot("monthly", others | {name: snapshot.files[name] for name in names})
    assert resolve_as_of(None, single, "data") == resolve_as_of(None, monthly, "data")


def test_a_monthly_file_with_another_name_is_named(snapshot):
    january = {"flights/january.parquet": snapshot.files["flights/2013-01.parquet"]}
    misnamed = Snapshot("misnamed", snapshot.files | january)
    with pytest.raises(InputError, match=r"data/flights/january.parquet: name the files .* such as 2024-03.parquet"):
        months(misnamed)
