"""A contract that cannot hold is told by table, in one sentence, when it is loaded."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest
from shop import TABLES

from tasks.features.table import TIME, Table, check_table, in_utc

ORDERS = TABLES["orders"]


class Days(dy.Schema):
    """Times that are none."""

    day = dy.Date(primary_key=True)
    local = dy.Datetime(time_zone="Europe/Berlin", primary_key=True)
    naive = dy.Datetime(primary_key=True)
    value = dy.Int64()


WRONG = {
    "event time not of the key": (
        replace(ORDERS, event_time=pl.col("at") + pl.duration(hours=pl.col("shop"))),
        "event_",
    ),
    "event time without zone": (Table(schema=Days, event_time=pl.col("naive")), "without a zone, it must be"),
    "event time of text": (
        Table(schema=Days, event_time=pl.col("day").cast(pl.String)),
        "event_time is String, it must",
    ),
    "known at of a number": (Table(schema=Days, known_at=pl.col("value")), "known_at is Int64"),
    "known at of no column": (Table(schema=Days, known_at=pl.col("when")), "known_at cannot be computed"),
    "known at of an outcome": (replace(ORDERS, known_at=pl.col("at") + pl.duration(days=pl.col("days"))), "an outcome"),
    "outcomes without their time": (
        replace(ORDERS, outcomes_known_at=None),
        "outcomes and outcomes_known_at need each",
    ),
    "a time without outcomes": (replace(ORDERS, outcomes=[]), "outcomes and outcomes_known_at need each other"),
    "an outcome that is no column": (replace(ORDERS, outcomes=["prize"]), "there is no column 'prize'"),
    "an outcome of the key": (
        replace(ORDERS, outcomes=["id"]),
        "the outcome 'id' must be nullable and no part of the key",
    ),
    "an outcome that is never null": (replace(ORDERS, outcomes=["shop"]), "the outcome 'shop' must be nullable"),
    "an event time of other rows": (replace(ORDERS, event_time=pl.col("at").max()), "event_time looks across rows"),
    "a known time of other rows": (replace(ORDERS, known_at=pl.col("at").shift(1)), "known_at looks across rows"),
    "an endless resolution": (replace(ORDERS, resolution={"price": float("inf")}), "a resolution must be from"),
    "outcomes of a table without times": (
        replace(ORDERS, event_time=None, known_at=None),
        "a table with outcomes needs",
    ),
    "a span that is none": (replace(ORDERS, known_within="soon"), "'soon' is no duration"),
    "a resolution of nothing": (replace(ORDERS, resolution={"price": 0}), "a resolution must be from 1e-12 to 1e+12"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_table_that_cannot_hold_is_refused(case):
    table, sentence = WRONG[case]
    with pytest.raises(ValueError, match=re.escape(sentence)) as told:
        check_table("orders", table)
    assert str(told.value).startswith("orders: ")


def test_the_tables_of_the_shop_hold():
    for name, table in TABLES.items():
        check_table(name, table)


def test_days_and_clocks_of_a_zone_are_moments_in_utc():
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    rows = pl.DataFrame({"day": [noon.date()], "local": [noon]}).cast({"local": pl.Datetime("ns", "Europe/Berlin")})
    for column, expected in (("day", noon.replace(hour=0)), ("local", noon)):
        table = Table(schema=Days, event_time=pl.col(column))
        check_table("days", table)
        made = rows.select(in_utc("days", table).event_time).to_series()
        assert (made.dtype, made.item()) == (TIME, expected)
