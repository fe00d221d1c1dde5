"""What features may not be is told in one sentence before anything is computed, and what they ask for is known."""

import re
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from shop import START, TABLES, make_tables

from tasks.core.errors import InputError
from tasks.core.use_case import declare
from tasks.features.index import Index
from tasks.features.reach import Reach


def use(features, tables=TABLES, prediction_time=pl.col("at"), target=pl.col("kept")):  # noqa: B008
    """The use case of the shop with these features."""
    return declare("late-arrivals", tables, "orders", prediction_time, target, {"queue": pl.len()}, features)


def a_list(rows, known):
    return [rows["shop"]]


def crash(rows, known):
    return {"x": {}["shop"]}


ODD = {
    "no dict": (a_list, "features() must return a dict"),
    "no feature": (lambda rows, known: {}, "features() must return a dict"),
    "no name": (lambda rows, known: {"": rows["shop"]}, "the feature '' needs a name of letters"),
    "a number as name": (lambda rows, known: {1: rows["shop"]}, "the feature 1 needs a name of letters"),
    "a blank in the name": (lambda rows, known: {"dew point": rows["shop"]}, "the feature 'dew point' needs a name of"),
    "a reserved name": (lambda rows, known: {"score": rows["shop"]}, "the feature 'score' takes a name that is used"),
    "a watched name": (lambda rows, known: {"queue": rows["shop"]}, "the feature 'queue' takes a name that is used"),
    "a datetime": (lambda rows, known: {"x": rows["at"]}, "the feature 'x' is Datetime(time_unit='us'"),
    "a date": (lambda rows, known: {"x": pl.col("at").dt.date()}, "the feature 'x' is Date: make a number of it"),
    "a duration": (lambda rows, known: {"x": rows["at"] - rows["at"]}, "the feature 'x' is Duration"),
    "a list of values": (lambda rows, known: {"x": pl.concat_list("shop", "shop")}, "the feature 'x' is List(Int16)"),
    "a number": (lambda rows, known: {"x": 3}, "the feature 'x' is int: give an array, a series or an expression"),
    "a dict in the dict": (
        lambda rows, known: {"x": known.visits.newest(["spent"], within="1d")},
        "the feature 'x' is dict",
    ),
    "two values a row": (lambda rows, known: {"x": np.zeros(len(rows) + 1)}, "the feature 'x' has 1 values for 0 rows"),
    "an outcome of the row": (
        lambda rows, known: {"x": rows["price"]},
        "price is an outcome, not known at the predict",
    ),
    "an outcome by expression": (lambda rows, known: {"x": pl.col("price")}, "price is an outcome, not known at"),
    "no such column": (
        lambda rows, known: {"x": rows["shopp"]},
        "the rows have no column 'shopp': do you mean 'shop'?",
    ),
    "no such table": (
        lambda rows, known: {"x": known.visit.age(within="1d")},
        "no table 'visit': do you mean 'visits'",
    ),
    "no such column of a table": (
        lambda rows, known: {"x": known.visits.newest("spend", within="1d")},
        "visits has no column 'spend': do you mean 'spent'?",
    ),
    "no such key": (
        lambda rows, known: {"x": known.visits.by("shop").last("1d").count()},
        "visits has no column 'shop'",
    ),
    "values as key": (
        lambda rows, known: {"x": known.visits.by(customer=rows["customer"]).last("1d").count()},
        "visits.by takes names of columns; values that the row does not hold cannot be a key",
    ),
    "a typo in an expression": (
        lambda rows, known: {"x": pl.col("shopp")},
        "the rows have no column 'shopp': do you mean",
    ),
    "an outcome as key": (lambda rows, known: {"x": known.orders.by("kept").last("1d").count()}, "no column 'kept'"),
    "no such column of the row": (
        lambda rows, known: {"x": known.visits.by("page").last("1d").count()},
        "the rows have no column 'page' to find visits by",
    ),
    "keys that are never equal": (
        lambda rows, known: {"x": known.visits.by(page="shop").last("1d").count()},
        "shop of the rows is Int16 and page of visits String: never equal",
    ),
    "the newest but none": (lambda rows, known: {"x": known.visits.newest("spent", "1d", nth=0)}, "nth is 0: 1 is the"),
    "one and a half": (lambda rows, known: {"x": known.visits.newest("spent", "1d", nth=1.5)}, "nth is 1.5: 1 is"),
    "a window without unit": (
        lambda rows, known: {"x": known.visits.last(3).count()},
        "3 is no duration: give a number",
    ),
    "a window of months": (lambda rows, known: {"x": known.visits.last("1mo").count()}, "'1mo' is no duration"),
    "no window": (lambda rows, known: {"x": known.visits.last("0h").count()}, "'0h' is no duration"),
    "a window beyond all time": (
        lambda rows, known: {"x": known.visits.last("999999999w").count()},
        "'999999999w' is no duration: give a number with its unit",
    ),
    "an endless window": (lambda rows, known: {"x": known.visits.last("99999d").count()}, "'99999d' is no duration"),
    "a lookup in a table that changes": (
        lambda rows, known: {"x": known.visits.by("customer").value("page")},
        'visits changes over time: ask for the newest value, within="7d" for instance',
    ),
    "a lookup by another key": (
        lambda rows, known: {"x": known.customers.by(city="customer").value("born")},
        "customers is looked up by its primary key: by('customer')",
    ),
    "history of a table that was always known": (
        lambda rows, known: {"x": known.customers.last("1d").count()},
        "customers was always known, so it has no history",
    ),
    "each of a table that was always known": (
        lambda rows, known: {"x": known.each(crash, customers="1d")},
        "customers was always known, so it has no history",
    ),
    "a table of values": (lambda rows, known: {"x": np.zeros((len(rows), 2))}, "the feature 'x' has 0 values"),
    "a sum of text": (lambda rows, known: {"x": known.visits.last("1d").sum("page")}, "page is String: only numbers"),
    "a share of numbers": (
        lambda rows, known: {"x": known.visits.last("1d").share("clicks")},
        "share(clicks) needs a co",
    ),
    "history that looks ahead": (
        lambda rows, known: {"x": known.visits.last("1d").mean(pl.col("clicks").shift(-1))},
        "looks across the rows of a table: say it with a window, or with known.each",
    ),
    "an exception": (crash, "KeyError: 'shop'"),
    "the end of the process": (lambda rows, known: sys.exit(0), "SystemExit: 0"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_feature_is_refused_in_one_sentence_before_anything_is_read(case):
    features, sentence = ODD[case]
    with pytest.raises(InputError, match=re.escape(sentence)) as told:
        use(features)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("project/late_arrivals/features.py")


ACROSS = {
    "a mean": lambda column: pl.col(column) - pl.col(column).mean(),
    "a rank": lambda column: pl.col(column).rank(),
    "a shift in a branch": lambda column: pl.when(pl.col(column) > 1).then(pl.col(column).shift(-1)).otherwise(0),
    "a filled mean": lambda column: pl.col(column).fill_null(pl.col(column).mean()),
    "a count over": lambda column: pl.len().over(column),
}


@pytest.mark.parametrize("case", ACROSS)
def test_an_expression_that_looks_across_rows_is_refused_wherever_it_stands(case):
    across = ACROSS[case]
    with pytest.raises(InputError, match="the feature 'x' looks across the rows asked for"):
        use(lambda rows, known: {"x": across("shop")})
    with pytest.raises(InputError, match="looks across the rows of a table: say it with a window, or with known.each"):
        use(lambda rows, known: {"x": known.visits.last("1d").sum(across("clicks"))})


def test_values_of_the_rows_do_not_mix_into_an_expression_over_a_table():
    with pytest.raises(InputError, match="looks across the rows of a table"):
        use(lambda rows, known: {"x": known.visits.last("1d").sum(pl.col("clicks") - pl.Series([1, 2]))})


def test_a_function_that_looks_across_the_rows_asked_for_is_refused():
    tables = make_tables(np.random.default_rng(5), 30, 30)
    for function in (lambda shop: shop - shop[:99].mean(), lambda shop: pl.Series(shop).rank(), np.cumsum):
        case = use(lambda rows, known: {"x": function(rows["shop"])})  # noqa: B023
        made = case.build_features(tables["orders"], index := Index(case.tables, tables))
        with pytest.raises(
            InputError, match="the feature 'x' depends on the other rows asked for, or on what is known"
        ):
            case.check_alone(tables["orders"], index, made)


def test_a_function_that_reads_later_rows_behind_the_back_of_known_is_refused():
    tables = make_tables(np.random.default_rng(5), 30, 30)
    case = use(lambda rows, known: {"x": known.visits.last("1d").count() + known._past.index.frames["visits"].height})
    made = case.build_features(tables["orders"], Index(TABLES, tables))
    with pytest.raises(InputError, match="depends on the other rows asked for, or on what is known later"):
        case.check_alone(tables["orders"], Index(TABLES, tables), made)


def test_how_far_tables_are_read_follows_from_windows_and_contract():
    day, hour = timedelta(days=1), timedelta(hours=1)

    def features(rows, known):
        return {
            "visits": known.visits.last("3h").count(),
            "price": known.orders.by("shop").newest("price", within="2d"),
        }

    assert use(features).reach == Reach(before=5 * day, after=0 * day, lead=0 * day)  # two days, and three to come back
    late, early = pl.col("at") + pl.duration(hours=6), pl.col("at") - pl.duration(hours=6)
    assert use(features, prediction_time=late).reach == Reach(before=5 * day - 6 * hour, after=6 * hour, lead=0 * day)
    ahead = TABLES | {"orders": replace(TABLES["orders"], known_at=early)}
    assert use(features, ahead, prediction_time=early).reach == Reach(
        before=5 * day + 6 * hour, after=0 * day, lead=6 * hour
    )
    assert use(lambda rows, known: {"shop": rows["shop"]}).reach.before == timedelta(0)


def test_a_prediction_asked_for_before_the_row_itself_is_known_is_refused():
    """Its own columns would be features that are not there yet."""
    hour_before = pl.col("at") - pl.duration(hours=1)
    with pytest.raises(InputError, match="PREDICTION_TIME lies at least 1:00:00 before known_at of orders: ask later"):
        use(lambda rows, known: {"shop": rows["shop"]}, prediction_time=hour_before)
    some = replace(TABLES["orders"], known_at=pl.col("at") + pl.duration(hours=pl.col("shop")))  # without bounds
    assert use(lambda rows, known: {"shop": rows["shop"]}, TABLES | {"orders": some}).reach.lead == timedelta(0)


def test_a_prediction_asked_for_at_midnight_is_a_day_before_its_event_at_most():
    midnight = pl.col("at").dt.truncate("1d")
    reach = use(lambda rows, known: {"n": known.visits.last("1h").count()}, prediction_time=midnight).reach
    assert reach.before == timedelta(hours=25) - timedelta(microseconds=1)
    assert reach.lead == timedelta(days=1) - timedelta(microseconds=1)


def test_outcomes_of_another_table_are_read_as_long_as_they_may_take():
    told = pl.col("at") + pl.duration(days=30)
    visits = replace(TABLES["visits"], outcomes=["spent"], outcomes_known_at=told)
    tables = TABLES | {"visits": visits}
    case = use(lambda rows, known: {"spent": known.visits.last("3d").sum("spent")}, tables)
    assert case.reach.before == timedelta(days=33)


def test_a_prediction_time_made_of_an_outcome_is_refused():
    with pytest.raises(InputError, match="PREDICTION_TIME is made of the outcome days, which is not known by then"):
        use(lambda rows, known: {"x": rows["shop"]}, prediction_time=pl.col("at") + pl.duration(days="days"))


def test_what_is_asked_for_with_some_rows_only_is_refused():
    def features(rows, known):
        return {"x": known.visits.last("9d" if len(rows) else "1d").count()}

    case, tables = use(features), make_tables(np.random.default_rng(5), 3, 3)
    with pytest.raises(InputError, match=r"visits.last\(9d\).count\(\) is asked for with some rows only"):
        case.build_features(tables["orders"], Index(case.tables, tables))


def test_history_that_is_asked_for_with_some_rows_only_is_refused_where_none_was_learned():
    def features(rows, known):
        return {"x": known.visits.last("9d").count() if len(rows) else rows["shop"]}

    case, tables = use(features), make_tables(np.random.default_rng(5), 3, 3)
    with pytest.raises(InputError, match=r"visits.last\(9d\).count\(\) is asked for with some rows only"):
        case.build_features(tables["orders"], Index(case.tables, tables))


def test_a_time_whose_distance_from_the_event_is_not_bounded_needs_a_declaration():
    orders = replace(TABLES["orders"], outcomes_known_at=pl.lit(START))
    unbounded = replace(orders, outcomes_known_at=pl.col("at") + pl.duration(hours=pl.col("id")))

    def features(rows, known):
        return {"price": known.orders.newest("price", within="2d")}

    with pytest.raises(
        InputError, match="orders: the longest time between the event and outcomes_known_at cannot be worked out"
    ):
        use(features, TABLES | {"orders": unbounded})
    bounded = replace(unbounded, known_within="9d")
    assert use(features, TABLES | {"orders": bounded}).reach.before == timedelta(days=11)


def test_what_became_known_later_than_declared_is_no_history():
    tables = make_tables(np.random.default_rng(5), 40, 0)
    orders = replace(TABLES["orders"], outcomes_known_at=pl.col("at") + pl.duration(hours=pl.col("id")))
    for within, counted in (("9d", 40), ("10h", 11)):
        declared = TABLES | {"orders": replace(orders, known_within=within)}
        case = use(lambda rows, known: {"n": known.orders.last("9d").count("days")}, declared)
        later = tables["orders"].head(1).with_columns(at=pl.lit(START + timedelta(days=5)))
        whole = tables["orders"].with_columns(days=pl.lit(1, pl.Int16))
        assert case.build_features(later, Index(case.tables, tables | {"orders": whole}))["n"].item() == counted
