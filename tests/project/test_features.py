"""A row's features come from the row and from what was known before its prediction time, and from nothing else."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from project.contract import EVENT_TIME as EVENT_TIMES
from project.contract import KNOWN_AT, Flights
from project.late_arrivals.features import HISTORY, LOOKBACK, build_features
from project.late_arrivals.target import PREDICTION_TIME, TARGET
from tasks.data.feature_frame import META

EVENT_TIME = EVENT_TIMES["flights"]
CLOCK_CHANGES = [date(2013, 3, 10), date(2013, 11, 3)]


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


@pytest.fixture(scope="module")
def thousand(year_tables):
    """1,000 flights of the year at random, with nulls, unseen categories, month ends and both days of clock change."""
    flights = year_tables["flights"]
    day = EVENT_TIME.dt.date()
    edges = flights.filter(EVENT_TIME.dt.day().is_in([1, 30, 31]) | day.is_in(CLOCK_CHANGES))
    rows = pl.concat([flights.sample(600, seed=1), edges.sample(400, seed=2)]).unique(maintain_order=True)
    third = pl.int_range(pl.len()) % 10
    return rows.with_columns(
        tailnum=pl.when(third == 0).then(None).otherwise("tailnum"),
        dest=pl.when(third == 1).then(pl.lit("QQQ")).otherwise("dest"),
        carrier=pl.when(third == 2).then(pl.lit("Q9")).otherwise("carrier"),
        arr_delay=None,
    ).cast({"arr_delay": pl.Int16})


def near(row: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What a request for one row has at hand: the tables from LOOKBACK before it on."""
    event = row.select(EVENT_TIME).item()
    times = {"flights": EVENT_TIME, "weather": KNOWN_AT["weather"]}
    return tables | {
        name: tables[name].filter(time.is_between(event - LOOKBACK, event)) for name, time in times.items()
    }


@pytest.mark.slow
def test_a_thousand_rows_have_the_same_features_alone_together_shuffled_and_by_month(thousand, year_tables):
    together = build_features(thousand, year_tables)
    shuffled = thousand.with_row_index("at_first").sample(fraction=1, shuffle=True, seed=2)
    again = build_features(shuffled.drop("at_first"), year_tables)
    assert_frame_equal(together, again.with_columns(shuffled["at_first"]).sort("at_first").drop("at_first"))
    alone = pl.concat([build_features(row, near(row, year_tables)) for row in thousand.iter_slices(1)])
    assert_frame_equal(together, alone)
    months = thousand.with_row_index("at_first").group_by(EVENT_TIME.dt.truncate("1mo"))
    parts = [build_features(part.drop("at_first"), year_tables).with_columns(part["at_first"]) for _, part in months]
    assert_frame_equal(together, pl.concat(parts).sort("at_first").drop("at_first"))


def test_rows_asked_alone_shuffled_or_together_have_the_same_features(tables, asked):
    together = build_features(asked, tables)
    shuffled = asked.with_row_index("at_first").sample(fraction=1, shuffle=True, seed=2)
    again = build_features(shuffled.drop("at_first"), tables)
    assert_frame_equal(together, again.with_columns(shuffled["at_first"]).sort("at_first").drop("at_first"))
    alone = pl.concat([build_features(row, near(row, tables)) for row in asked.head(50).iter_slices(1)])
    assert_frame_equal(together.head(50), alone)


def test_the_months_of_a_snapshot_have_the_features_of_the_whole_year(year, year_tables):
    rows = year_tables["flights"].filter(TARGET.is_not_null())
    assert_frame_equal(build_features(rows, year_tables), year.drop(META), check_row_order=True)


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
