"""Days and moments that no calendar has, such as infinity of a database: polars panics of some, a run does not."""

import json
from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.core.params import Params
from tasks.core.tables import as_json
from tasks.data.conversion import convert
from tasks.data.formats import Raw
from tasks.data.sources.fit import fit_columns
from tasks.data.validation import validate_rows
from tasks.features.index import KNOWN_AT, Timeline
from tasks.features.table import Table

INFINITY = 2**31 - 1  # as PostgreSQL tells an endless date


class Loans(dy.Schema):
    """One loan, due on a day or never."""

    id = dy.Int64(primary_key=True)
    due = dy.Date(primary_key=True)
    asked = dy.Datetime(time_zone="UTC")
    sum = dy.Int64(max=100)


def make_loans(rows: int, due: int, sum: int = 1) -> pl.DataFrame:
    """Loans that are due on a day of that number."""
    days = pl.Series([due] * rows, dtype=pl.Int32).cast(pl.Date)
    asked = [datetime(2024, 1, 1, tzinfo=UTC)] * rows
    return pl.DataFrame({"id": range(rows), "due": days, "asked": asked, "sum": [sum] * rows})


@pytest.mark.parametrize(("day", "told"), [(INFINITY, str(INFINITY)), (0, "1970-01-01"), (2_932_897, "2932897")])
def test_a_bad_row_with_an_endless_day_is_an_example_of_its_sentence(day, told):
    tables = {"loans": Table(schema=Loans)}
    with pytest.raises(DataError, match=rf"sum\|max \(900 rows\); for example id=0, due={told}, sum=900"):
        validate_rows(tables, "loans", make_loans(900, day, sum=900), Params.load().validation)


def test_an_endless_day_where_a_time_is_declared_is_a_bad_row_and_the_others_are_not():
    days = pl.Series([0, INFINITY], dtype=pl.Int32).cast(pl.Date)
    raw = Raw(make_loans(2, 0).with_columns(asked=days), frozenset())
    converted = convert(raw, Table(schema=Loans, dates=["asked"]), "loans", None)
    assert converted.rows["asked"].to_list() == [datetime(1970, 1, 1, tzinfo=UTC), None]
    assert converted.lost["asked"].to_list() == [False, True]


def test_a_time_of_a_source_is_shown_with_its_zone():
    fits = fit_columns(Raw(make_loans(3, 0), frozenset()), Table(schema=Loans), None)
    assert [fit.example for fit in fits if fit.column == "asked"] == ["2024-01-01 00:00:00+00:00"]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (pl.Date, -(2**31)),
        (pl.Datetime("ms"), 2**63 - 1),
        (pl.Datetime("us", "UTC"), -(2**63)),
        (pl.Datetime("us"), 2**62),
    ],
    ids=str,
)
def test_a_row_is_told_as_json_with_the_number_of_a_time_of_no_calendar(kind, number):
    whole = pl.Int32 if kind == pl.Date else pl.Int64
    times = pl.Series("at", [number, 0, None], dtype=whole).cast(kind)
    told = [json.loads(row)["at"] for row in as_json(times.to_frame())]
    assert told[0] == str(number) and told[1].startswith("1970-01-01") and told[2] is None


def test_rows_of_an_endless_day_are_one_group_of_their_key():
    frame = make_loans(4, INFINITY).with_columns(pl.col("asked").alias(KNOWN_AT))
    groups = Timeline(Table(schema=Loans), frame, ("due",))
    assert groups.find(make_loans(2, INFINITY), ("due",)).tolist() == [0, 0]
    assert groups.find(make_loans(1, 0), ("due",)).tolist() == [-1]


@pytest.mark.parametrize(("day", "shown"), [(INFINITY, str(INFINITY)), (2_932_896, "9999-12-31")])
def test_an_endless_day_of_a_source_is_shown_as_its_number(day, shown):
    fits = fit_columns(Raw(make_loans(3, day), frozenset()), Table(schema=Loans), None)
    assert [(fit.example, fit.fit) for fit in fits if fit.column == "due"] == [(shown, "ok")]
