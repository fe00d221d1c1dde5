"""A row's features come from the row and from what was known before its prediction time, and from nothing else."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.contract import EVENT_TIME, KNOWN_AT, PREDICTION_TIME, Flights
from tasks.features import HISTORY, LOOKBACK, build_features


@pytest.fixture(scope="module")
def asked(tables):
    """200 flights of February, at random."""
    return tables["flights"].filter(pl.col("month") == 2).sample(200, seed=1)


def test_history_equals_a_count_by_hand(tables, asked):
    features = build_features(asked, tables)
    events = tables["flights"].with_columns(known_at=KNOWN_AT["flights"]).drop_nulls("known_at")
    moments = asked.select(at=PREDICTION_TIME)["at"]
    for name, (key, window) in HISTORY.items():
        span = timedelta(hours=int(window[:-1]) * (24 if window[-1] == "d" else 1))
        for row, at, late, delay in zip(
            asked.iter_rows(named=True), moments, features[f"{name}_late"], features[f"{name}_delay"], strict=True
        ):
            same = [pl.col(column) == pl.lit(row[column], pl.String) for column in key]
            inside = events.filter(*same, pl.col("known_at") < at, pl.col("known_at") >= at - span)["arr_delay"]
            assert late == (pytest.approx((inside >= 15).mean(), rel=1e-6) if len(inside) else None)
            assert delay == (pytest.approx(inside.mean(), rel=1e-5) if len(inside) else None)


def test_what_becomes_known_at_the_prediction_time_or_later_changes_nothing(tables, asked):
    row = asked.head(1)
    at = row.select(PREDICTION_TIME).item()
    plain = build_features(row, tables)
    later = {
        "flights": tables["flights"].with_columns(
            arr_delay=pl.when(KNOWN_AT["flights"] >= at).then(500).otherwise("arr_delay").cast(pl.Int16)
        ),
        "weather": tables["weather"].with_columns(temp=pl.when(KNOWN_AT["weather"] >= at).then(0).otherwise("temp")),
        "planes": tables["planes"],
    }
    assert_frame_equal(plain, build_features(row, later))


def test_what_became_known_just_before_does_change_them(tables, asked):
    row = asked.filter(pl.col("tailnum").is_not_null()).head(1)
    at = row.select(PREDICTION_TIME).item()
    known = tables["flights"].filter(KNOWN_AT["flights"] < at)
    newest = (
        known.sort(KNOWN_AT["flights"])
        .tail(1)
        .with_columns(origin=pl.lit(row["origin"].item()), arr_delay=pl.lit(1000, pl.Int16), flight=pl.lit(1, pl.Int16))
    )
    changed = build_features(row, tables | {"flights": pl.concat([tables["flights"], newest])})
    assert changed["origin_3h_delay"].item() > build_features(row, tables)["origin_3h_delay"].item()


def test_rows_asked_alone_shuffled_or_together_have_the_same_features(tables, asked):
    together = build_features(asked, tables)
    shuffled = asked.with_row_index("at_first").sample(fraction=1, shuffle=True, seed=2)
    again = build_features(shuffled.drop("at_first"), tables)
    assert_frame_equal(together, again.with_columns(shuffled["at_first"]).sort("at_first").drop("at_first"))
    alone = pl.concat([build_features(row, tables) for row in asked.head(50).iter_slices(1)])
    assert_frame_equal(together.head(50), alone)


def test_lookback_before_the_rows_is_enough(tables):
    start = datetime(2013, 2, 1, tzinfo=UTC)
    rows = tables["flights"].filter(start <= EVENT_TIME)
    times = {"flights": EVENT_TIME, "weather": KNOWN_AT["weather"]}
    cut = {name: tables[name].filter(time >= start - LOOKBACK) for name, time in times.items()}
    assert_frame_equal(build_features(rows, tables), build_features(rows, tables | cut))


def test_lookback_covers_the_longest_window_and_the_longest_flight_the_contract_allows():
    columns = Flights.columns()
    longest = timedelta(minutes=columns["dep_delay"].max + columns["air_time"].max + 60)
    assert timedelta(hours=2 + 48) + longest <= LOOKBACK
