"""Whatever is asked of the past equals a filter by hand, and knows nothing of the prediction time or later."""

import gc
import sys
from datetime import datetime, timedelta
from math import nan

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from shop import START, TABLES, make_tables

from tasks.features.build import Features
from tasks.features.index import Index
from tasks.features.table import as_known

HOURS = {"3h": 3, "1d": 24, "2d": 48}
BIG = pl.col("price") > 20


def build_features(function, rows: pl.DataFrame, index: Index) -> pl.DataFrame:
    """What a function makes of orders, each asked for when it is placed."""
    return Features(function, "orders", pl.col("at")).build(rows, index)


def every_term(rows, known) -> dict:
    """Each measure, of each table, with and without a key, of rows and of outcomes."""
    orders, visits, mine = known.orders, known.visits, known.visits.by("customer")
    return {
        "born": known.customers.by("customer").value("born"),
        "city": known.customers.by("customer").value("city"),
        "newest_price": orders.by("customer").newest("price", within="1d"),
        "second_price": orders.by("customer").newest("price", within="2d", nth=2),
        "newest_page": mine.newest("page", within="3h"),
        "price_age": orders.by("shop").age("price", within="2d"),
        "visit_age": mine.age(within="1d"),
        "orders_3h": orders.last("3h").count(),
        "prices_2d": orders.by("shop").last("2d").count("price"),
        "clicks_1d": mine.last("1d").sum("clicks"),
        "spent_1d": visits.last("1d").sum("spent"),
        "mean_spent": mine.last("2d").mean("spent"),
        "mean_price": orders.by("customer", "shop").last("2d").mean("price"),
        "big_share": orders.by("shop").last("2d").share(BIG),
        "kept_share": orders.by("customer").last("1d").share("kept"),
        "price_std": orders.last("2d").std("price"),
        "clicks_min": mine.last("1d").min("clicks"),
        "price_max": orders.by("shop").last("2d").max("price"),
        "per_click": mine.last("1d").mean(pl.col("spent") / pl.col("clicks").abs().clip(1)),
    }


def by_hand(row: dict, at: datetime, tables: dict[str, pl.DataFrame]) -> dict:
    """The same, by a filter for this row alone."""

    def past(table: str, hours: int, key: list[str] = [], outcomes: bool = False) -> pl.DataFrame:  # noqa: B006
        time = TABLES[table].outcomes_known_at if outcomes else TABLES[table].row_known_at
        same = [pl.col(column) == row[column] if row[column] is not None else pl.lit(False) for column in key]
        found = tables[table].with_columns(time=time).filter(pl.col("time") < at, *same)
        return found.filter(pl.col("time") >= at - timedelta(hours=hours)).sort("time", *TABLES[table].key)

    def nth(rows: pl.DataFrame, column: str, back: int = 1):
        return rows[column][-back] if rows.height >= back else None

    def age(rows: pl.DataFrame):
        return (at - rows["time"][-1]).total_seconds() / 3600 if rows.height else None

    def mean(values: pl.Series):
        return values.drop_nulls().cast(float).mean()

    shop_outcomes, mine = past("orders", 48, ["shop"], True), past("visits", 24, ["customer"])
    register = tables["customers"].filter(pl.col("customer") == (row["customer"] or "nobody"))
    return {
        "born": nth(register, "born"),
        "city": nth(register, "city"),
        "newest_price": nth(past("orders", 24, ["customer"], True), "price"),
        "second_price": nth(past("orders", 48, ["customer"], True), "price", 2),
        "newest_page": nth(past("visits", 3, ["customer"]), "page"),
        "price_age": age(shop_outcomes),
        "visit_age": age(mine),
        "orders_3h": past("orders", 3).height,
        "prices_2d": shop_outcomes["price"].drop_nulls().len(),
        "clicks_1d": mine["clicks"].sum(),
        "spent_1d": past("visits", 24)["spent"].cast(float).sum(),
        "mean_spent": mean(past("visits", 48, ["customer"])["spent"]),
        "mean_price": mean(past("orders", 48, ["customer", "shop"], True)["price"]),
        "big_share": mean(shop_outcomes.select(BIG).to_series()),
        "kept_share": mean(past("orders", 24, ["customer"], True)["kept"]),
        "price_std": past("orders", 48, [], True)["price"].std(),
        "clicks_min": mine["clicks"].min(),
        "price_max": shop_outcomes["price"].max(),
        "per_click": mean(mine.select(pl.col("spent") / pl.col("clicks").abs().clip(1)).to_series()),
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), orders=st.integers(0, 25), visits=st.integers(0, 40))
def test_every_measure_equals_a_filter_by_hand(seed, orders, visits):
    tables = make_tables(np.random.default_rng(seed), orders, visits)
    rows, index = tables["orders"], Index(TABLES, tables)
    made = build_features(every_term, rows, index)
    assert made.height == rows.height
    for row, features in zip(rows.iter_rows(named=True), made.iter_rows(named=True), strict=True):
        for name, expected in by_hand(row, row["at"], tables).items():
            if isinstance(expected, float | int) and expected is not None:
                assert features[name] == pytest.approx(float(expected), rel=1e-5, abs=1e-5), name
            else:
                assert features[name] == expected, name


def shuffle(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The same rows in another order."""
    return {name: frame.sample(fraction=1, shuffle=True, seed=1) for name, frame in tables.items()}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), place=st.integers(0, 19), cuts=st.integers(1, 5))
def test_a_row_has_the_same_bits_alone_in_any_pieces_shuffled_and_from_tables_that_end_at_its_prediction(
    seed, place, cuts
):
    random = np.random.default_rng(seed)
    tables = make_tables(random, 20, 40)
    rows = tables["orders"]
    together = build_features(every_term, rows, Index(TABLES, tables))
    one, at = rows[place : place + 1], rows["at"][place]
    past = {name: as_known(TABLES[name], frame, at) for name, frame in tables.items()}
    recent = {
        name: frame if TABLES[name].row_known_at is None else frame.filter(pl.col("at") >= at - timedelta(days=5))
        for name, frame in past.items()
    }
    for context in (past, recent, shuffle(past)):
        alone = build_features(every_term, one, Index(TABLES, context))
        assert_frame_equal(alone, together[place : place + 1], check_exact=True)
    pieces = np.array_split(random.permutation(rows.height), cuts)
    index = Index(TABLES, shuffle(tables))
    for piece in pieces:
        made = build_features(every_term, rows[piece], index)
        assert_frame_equal(made, together[piece], check_exact=True)


def test_values_known_just_before_the_prediction_are_seen_and_those_at_it_are_not():
    def newest(rows, known):
        return {"age": known.visits.age(within="2d"), "count": known.visits.last("1h").count()}

    tables = make_tables(np.random.default_rng(0), 1, 1)
    at = tables["orders"]["at"][0]
    for moved, seen in ((timedelta(0), 0), (timedelta(microseconds=1), 1), (timedelta(hours=1), 1)):
        visits = tables["visits"].with_columns(at=pl.lit(at - moved))
        index = Index(TABLES, tables | {"visits": visits})
        made = build_features(newest, tables["orders"], index)
        assert made["count"].to_list() == [seen]
        assert made["age"].is_not_null().to_list() == [bool(seen)]


def test_a_key_of_the_table_may_have_another_name_in_the_row():
    def features(rows, known):
        return {"there": known.visits.by(page="customer").last("2d").count()}

    tables = make_tables(np.random.default_rng(3), 5, 30)
    orders = tables["orders"].with_columns(customer=pl.lit("cart"), at=pl.col("at").max())
    made = build_features(features, orders, Index(TABLES, tables))
    carts = tables["visits"].filter(pl.col("page") == "cart", pl.col("at") < orders["at"][0])
    assert made["there"].to_list() == [carts.filter(pl.col("at") >= orders["at"][0] - timedelta(days=2)).height] * 5


def test_a_function_may_be_called_row_by_row_with_what_was_known():
    def longest(row, visits, orders):
        return max([len(visits), orders["price"].drop_nulls().len()])

    def features(rows, known):
        return {
            "slow": known.each(longest, visits="3h", orders="1d"),
            "visits": known.visits.last("3h").count(),
            "prices": known.orders.last("1d").count("price"),
            "null": known.each(lambda row, visits: None, visits="1h"),
        }

    tables = make_tables(np.random.default_rng(1), 40, 60)
    made = build_features(features, tables["orders"], Index(TABLES, tables))
    assert made["slow"].to_list() == made.select(pl.max_horizontal("visits", "prices")).to_series().to_list()
    assert made["null"].dtype == pl.Float32
    assert made["null"].null_count() == made.height


def test_python_arrays_series_and_expressions_mix():
    def features(rows, known):
        spent = known.visits.by("customer").last("1d").mean("spent")
        return {
            "expression": pl.col("shop") * 2,
            "mixed": pl.col("shop") - spent,
            "array": rows["shop"] - spent,
            "where": np.where(np.isnan(spent), -1, spent),
            "clock": rows["at"].dt.hour(),
            "text": rows["customer"],
            "truth": rows["shop"] > 1,
        }

    tables = make_tables(np.random.default_rng(1), 40, 60)
    made = build_features(features, tables["orders"], Index(TABLES, tables))
    assert made.dtypes == [pl.Float32] * 5 + [pl.String, pl.Float32]
    assert made["mixed"].equals(made["array"], null_equal=True, check_names=False)
    assert made["where"].null_count() == 0 < made["array"].null_count()


def test_sums_of_fractions_have_the_same_bits_from_whichever_pieces_they_are_built():
    prices = [0.1, 0.2, 0.3, 1e3, -1e3, nan]
    tables = make_tables(np.random.default_rng(0), len(prices), 0)
    times = [START + timedelta(hours=hour) for hour in range(len(prices))]
    orders = tables["orders"].with_columns(price=pl.Series(prices).fill_nan(None), days=0, at=pl.Series(times))
    orders = orders.cast(tables["orders"].schema)
    asked = orders.tail(1).with_columns(at=pl.lit(times[-1] + timedelta(hours=1)))

    def features(rows, known):
        window = known.orders.last("2d")
        return {"sum": window.sum("price"), "mean": window.mean("price"), "std": window.std("price")}

    made = build_features(features, asked, Index(TABLES, tables | {"orders": orders}))
    assert made["sum"].item() == np.float32(0.6)
    assert made["mean"].item() == np.float32(0.12)
    assert made["std"].item() == np.float32(np.std([0.1, 0.2, 0.3, 1e3, -1e3], ddof=1))


def test_what_was_built_leaves_nothing_behind():
    tables = make_tables(np.random.default_rng(0), 5, 5)
    index, rows = Index(TABLES, tables), tables["orders"]
    gc.disable()
    try:
        before = sys.getrefcount(index)
        build_features(every_term, rows, index)
        assert sys.getrefcount(index) == before
    finally:
        gc.enable()


def test_a_row_without_a_prediction_time_knows_nothing():
    tables = make_tables(np.random.default_rng(0), 5, 20)
    rows = tables["orders"].with_columns(at=pl.lit(None, tables["orders"].schema["at"]))

    def features(rows, known):
        return {"count": known.visits.last("2d").count(), "each": known.each(lambda row, visits: 1, visits="2d")}

    made = build_features(features, rows, Index(TABLES, tables))
    assert made["count"].to_list() == [0] * 5
    assert made["each"].null_count() == 5
