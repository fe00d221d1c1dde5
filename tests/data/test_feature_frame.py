"""The feature frame of a moment holds what was known before it, whatever was built and kept earlier."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from stores import with_files

from tasks.core.errors import InputError
from tasks.core.use_case import META
from tasks.core.workspace import workspace
from tasks.data.feature_frame import Partition, build_feature_frame, require_alike
from tasks.data.snapshot import Snapshot
from tasks.training.split import labelled_rows

HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)
FEBRUARY, MARCH = datetime(2013, 2, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)


def seen(version: Snapshot, case, as_of: datetime, validation, since=None) -> dict[int, tuple[bool, float]]:
    """By the id of each order in a frame: whether its outcome is there, and how many prices it was told of."""
    frame, _ = build_feature_frame.fn(version, case, as_of, since, validation)
    rows = zip(frame["key"], frame["target"].is_not_null(), frame["prices"], strict=True)
    return {key["id"]: (labelled, prices) for key, labelled, prices in rows}


@pytest.mark.parametrize("reverse", [False, True], ids=["first at the moment", "first after it"])
@pytest.mark.parametrize("what", ["outcome", "prediction"])
def test_what_is_known_exactly_at_as_of_is_in_no_frame_and_a_moment_later_it_is_whichever_was_built_first(
    orders, orders_case, params, store, noon, what, reverse
):
    """A moment after the newest row the month is settled: it is kept for every as_of from then on, not for this one."""
    last = {"outcome": (noon - 8 * HOUR, noon), "prediction": (noon + HOUR, None)}[what]
    version = orders([(noon - 9 * HOUR, noon - 5 * HOUR), last], prices=[noon - 11 * HOUR])
    before = {0: (True, 1)} | ({1: (False, 1)} if what == "outcome" else {})
    after = {0: (True, 1), 1: (what == "outcome", 1)}
    expected = {noon: before, noon + MOMENT: after, noon + HOUR: after}
    for as_of in sorted(expected, reverse=reverse) * 2:
        assert seen(version, orders_case, as_of, params.validation) == expected[as_of], as_of
    kept = sorted(bool(re.search(r"-\d{8}T\d+", path.name)) for path in workspace().features.iterdir())
    assert kept == [False, True]  # one settled, and one of the moment alone


def test_a_row_waits_for_its_outcome_with_its_features_and_without_a_target(orders, orders_case, params, store, noon):
    version = orders([(noon - 9 * HOUR, noon + 5 * HOUR)], prices=[noon - 11 * HOUR])
    for as_of, labelled in ((noon, False), (noon + 6 * HOUR, True), (noon, False)):
        assert seen(version, orders_case, as_of, params.validation) == {0: (labelled, 1)}


def test_the_first_row_of_a_month_sees_all_of_its_window(orders, orders_case, params, store, noon):
    start = datetime(2024, 1, 1, tzinfo=UTC)
    asked = start - HOUR  # one hour before its event
    opens, end = asked - timedelta(days=5), datetime(2024, 2, 1, tzinfo=UTC)
    assert orders_case.reach.before == timedelta(days=5, hours=1)
    version = orders([(start, noon)], prices=[opens - MOMENT, opens, asked - MOMENT, asked, noon])
    assert seen(version, orders_case, end, params.validation) == {0: (True, 2)}


def test_a_month_is_in_the_frame_once_a_row_of_it_may_be_asked_for_and_since_a_moment_before_it_ends(
    orders, orders_case, params, store, noon
):
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    version = orders([(start, start - HOUR), (end - HOUR, end - HOUR)], prices=[start - 2 * HOUR, noon])
    with pytest.raises(InputError, match="lies outside the data"):
        seen(version, orders_case, start - HOUR, params.validation)
    assert seen(version, orders_case, start - HOUR + MOMENT, params.validation) == {0: (True, 1)}
    with pytest.raises(InputError, match="lies outside the data"):
        seen(version, orders_case, end + HOUR, params.validation, since=end)
    assert list(seen(version, orders_case, end + HOUR, params.validation, since=end - MOMENT)) == [0, 1]


@pytest.mark.parametrize("file", ["planes.parquet", "weather.parquet"])
def test_an_empty_table_stops_the_run(snapshot, use_case, tmp_path, params, file):
    empty = with_files(snapshot, tmp_path, {file: pl.read_parquet(snapshot.files[file]).clear()})
    with pytest.raises(InputError, match=f"the table {file.split('.')[0]} holds no row"):
        build_feature_frame.fn(empty, use_case, FEBRUARY, None, params.validation)


def test_as_of_before_the_data_starts_says_when_it_starts(snapshot, use_case, params):
    with pytest.raises(
        InputError, match=r"2012-05-01 00:00 lies outside the data, which reaches from 2013-01 to 2014-01"
    ):
        build_feature_frame.fn(snapshot, use_case, datetime(2012, 5, 1, tzinfo=UTC), None, params.validation)


def test_a_target_that_is_null_everywhere_is_told_before_anything_is_fitted(
    snapshot, use_case, tmp_path, params, store
):
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    outcomes = january.with_columns(pl.lit(None, pl.Int16).alias(name) for name in ("arr_delay", "air_time"))
    changed = with_files(snapshot, tmp_path, {"flights/2013-01.parquet": outcomes})
    as_of = datetime(2013, 1, 25, tzinfo=UTC)
    frame, _ = build_feature_frame.fn(changed, use_case, as_of, None, params.validation)
    with pytest.raises(InputError, match=r"TARGET in target.py is null for every row"):
        labelled_rows(frame)


def test_a_table_to_predict_may_be_one_file(snapshot, use_case, tmp_path, params, store):
    names = [f"flights/2013-0{month}.parquet" for month in (1, 2, 3)]
    others = {name: path for name, path in snapshot.files.items() if not name.startswith("flights/")}
    whole = pl.concat(pl.read_parquet(snapshot.files[name]) for name in names)
    single = with_files(Snapshot("single", others), tmp_path, {"flights.parquet": whole})
    frame, _ = build_feature_frame.fn(single, use_case, MARCH, None, params.validation)
    assert_frame_equal(frame, build_feature_frame.fn(snapshot, use_case, MARCH, None, params.validation)[0])


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: b"", lambda content: b"x" * 500])
def test_a_damaged_month_of_the_cache_is_built_again(orders, orders_case, params, store, noon, damage):
    version = orders([(noon, noon)], prices=[noon])
    whole = seen(version, orders_case, noon + HOUR, params.validation)
    (file,) = workspace().features.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert seen(version, orders_case, noon + HOUR, params.validation) == whole
    assert pl.read_parquet(file).height == 1


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"x": [1.0]}, "such as y"),
        ({"x": ["1"], "y": [1.0]}, "such as x"),
        ({"x": [1.0], "y": [1.0], "z": [1.0]}, "such as z"),
        ({"y": [1.0], "x": [1.0]}, "in another order"),
    ],
)
def test_features_that_differ_by_month_are_named_with_the_month(made, sentence):
    meta = dict.fromkeys(META, [None])
    frames = [pl.DataFrame(meta | features) for features in ({"x": [1.0], "y": [2.0]}, made)]
    parts = [Partition(frame, [], FEBRUARY) for frame in frames]
    require_alike([(FEBRUARY, MARCH)], parts[:1])
    with pytest.raises(InputError, match=f"other features of 2013-03 than of 2013-02, {sentence}: make the same"):
        require_alike([(FEBRUARY, MARCH), (MARCH, datetime(2013, 4, 1, tzinfo=UTC))], parts)
