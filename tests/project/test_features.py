"""A row's features come from the row and from what was known before its prediction time, and from nothing else."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from project.contract import SCHEDULED, TABLES
from project.late_arrivals.target import PREDICTION_TIME, TARGET
from tasks.core.use_case import META
from tasks.features.index import Index
from tasks.features.reach import Reach

FLIGHTS, WEATHER = TABLES["flights"], TABLES["weather"]
HISTORY = {
    "origin_3h": (["origin"], 3),
    "carrier_24h": (["origin", "carrier"], 24),
    "dest_24h": (["dest"], 24),
    "tail_24h": (["tailnum"], 24),
}
CLOCK_CHANGES = [date(2013, 3, 10), date(2013, 11, 3)]


@pytest.fixture(scope="module")
def asked(tables):
    """200 flights of February, at random."""
    return tables["flights"].filter(pl.col("month") == 2).sample(200, seed=1)


@pytest.fixture(scope="session")
def build_features(use_case):
    """The features of rows, from tables."""
    return lambda rows, tables: use_case.build_features(rows, Index(use_case.tables, tables))


def test_history_equals_a_count_by_hand(tables, asked, build_features):
    features = build_features(asked, tables)
    events = tables["flights"].with_columns(known_at=FLIGHTS.outcomes_known_at).drop_nulls("known_at")
    moments = asked.select(at=PREDICTION_TIME)["at"]
    for name, (key, hours) in HISTORY.items():
        span = timedelta(hours=hours)
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
    day = SCHEDULED.dt.date()
    edges = flights.filter(SCHEDULED.dt.day().is_in([1, 30, 31]) | day.is_in(CLOCK_CHANGES))
    rows = pl.concat([flights.sample(600, seed=1), edges.sample(400, seed=2)]).unique(maintain_order=True)
    third = pl.int_range(pl.len()) % 10
    return rows.with_columns(
        tailnum=pl.when(third == 0).then(None).otherwise("tailnum"),
        dest=pl.when(third == 1).then(pl.lit("QQQ")).otherwise("dest"),
        carrier=pl.when(third == 2).then(pl.lit("Q9")).otherwise("carrier"),
        arr_delay=None,
    ).cast({"arr_delay": pl.Int16})


@pytest.fixture(scope="session")
def near(use_case):
    """What a request for one row has at hand: the tables from what it looks back on to its event."""

    def cut(row: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        event = row.select(SCHEDULED).item()
        times = {"flights": SCHEDULED, "weather": WEATHER.known_at}
        back = event - use_case.reach.before
        return tables | {name: tables[name].filter(time.is_between(back, event)) for name, time in times.items()}

    return cut


@pytest.mark.slow
def test_a_thousand_rows_have_the_same_features_alone_together_shuffled_and_by_month(
    thousand, year_tables, build_features, near
):
    together = build_features(thousand, year_tables)
    shuffled = thousand.with_row_index("at_first").sample(fraction=1, shuffle=True, seed=2)
    again = build_features(shuffled.drop("at_first"), year_tables)
    assert_frame_equal(together, again.with_columns(shuffled["at_first"]).sort("at_first").drop("at_first"))
    alone = pl.concat([build_features(row, near(row, year_tables)) for row in thousand.iter_slices(1)])
    assert_frame_equal(together, alone)
    months = thousand.with_row_index("at_first").group_by(SCHEDULED.dt.truncate("1mo"))
    parts = [build_features(part.drop("at_first"), year_tables).with_columns(part["at_first"]) for _, part in months]
    assert_frame_equal(together, pl.concat(parts).sort("at_first").drop("at_first"))


def test_rows_asked_alone_shuffled_or_together_have_the_same_features(tables, asked, build_features, near):
    together = build_features(asked, tables)
    shuffled = asked.with_row_index("at_first").sample(fraction=1, shuffle=True, seed=2)
    again = build_features(shuffled.drop("at_first"), tables)
    assert_frame_equal(together, again.with_columns(shuffled["at_first"]).sort("at_first").drop("at_first"))
    alone = pl.concat([build_features(row, near(row, tables)) for row in asked.head(50).iter_slices(1)])
    assert_frame_equal(together.head(50), alone)


def test_the_months_of_a_snapshot_have_the_features_of_the_whole_year(year, year_tables, build_features):
    rows = year_tables["flights"].filter(TARGET.is_not_null())
    assert_frame_equal(build_features(rows, year_tables), year.drop(META), check_row_order=True)


def test_what_lies_in_reach_of_the_rows_is_enough(tables, use_case, build_features):
    start = datetime(2013, 2, 1, tzinfo=UTC)
    rows = tables["flights"].filter(start <= SCHEDULED)
    times = {"flights": SCHEDULED, "weather": WEATHER.known_at}
    cut = {name: tables[name].filter(time >= start - use_case.reach.before) for name, time in times.items()}
    assert_frame_equal(build_features(rows, tables), build_features(rows, tables | cut))


def test_the_reach_is_two_hours_of_lead_the_longest_window_and_the_longest_flight_the_contract_allows(use_case):
    longest = timedelta(minutes=FLIGHTS.columns["dep_delay"].max + FLIGHTS.columns["air_time"].max + 60)
    assert use_case.reach == Reach(timedelta(hours=2 + 48) + longest, timedelta(0), timedelta(hours=2))
