"""Values come into the contract's types as they are, or their row is bad: nothing is cut, wrapped or rounded away."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import dataframely as dy
import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.data.conversion import convert
from tasks.data.formats import Raw
from tasks.data.take_in import find_lost
from tasks.features.table import Table

BAD = object()


class Kinds(dy.Schema):
    """A column of each type."""

    int16 = dy.Int16(primary_key=True)
    int64 = dy.Int64(nullable=True)
    small = dy.Float32(nullable=True)
    large = dy.Float64(nullable=True)
    money = dy.Decimal(20, 2, nullable=True)
    yes = dy.Bool(nullable=True)
    at = dy.Datetime(time_zone="UTC", nullable=True)
    local = dy.Datetime(nullable=True)
    fine = dy.Datetime(time_zone="UTC", time_unit="ns", nullable=True)
    coarse = dy.Datetime(time_zone="UTC", time_unit="ms", nullable=True)
    day = dy.Date(nullable=True)
    clock = dy.Time(nullable=True)
    took = dy.Duration(nullable=True)
    kind = dy.Enum(["a", "b"], nullable=True)
    parts = dy.List(dy.Int64(), nullable=True)
    raw = dy.Binary(nullable=True)


TABLE = Table(schema=Kinds)


def bring(column: str, values: pl.Series, text: bool, time_zone: str | None = None):
    """What a value of a column becomes; BAD where its row is bad."""
    rows = pl.DataFrame({name: [None] for name in TABLE.columns if name != column}).with_columns(values.alias(column))
    converted = convert(Raw(rows, frozenset(rows.columns if text else [])), TABLE, "a.csv", time_zone)
    return BAD if find_lost(converted.lost).height else converted.rows[column][0]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("int16", " 7 ", 7),
        ("int16", "7.0", 7),
        ("int16", "7.5", BAD),
        ("int16", "32768", BAD),
        ("int16", "x", BAD),
        ("int64", "9007199254740993", 9007199254740993),
        ("int64", "9007199254740993.0", BAD),
        ("int64", "1" * 30, BAD),
        ("small", "0.1", pytest.approx(0.1)),
        ("small", "16777217", BAD),
        ("large", "9007199254740993", BAD),
        ("large", "1,5", BAD),
        ("money", "1.25", Decimal("1.25")),
        ("money", "1.255", BAD),
        ("money", "123456789012345678.25", BAD),
        ("yes", "TRUE", True),
        ("yes", "0", False),
        ("yes", "maybe", BAD),
        ("at", "2013-01-15T10:00:00Z", utc(2013, 1, 15, 10)),
        ("at", "2013-01-15 10:00+02:00", utc(2013, 1, 15, 8)),
        ("at", "2013-01-15T10:00:00.1234560Z", utc(2013, 1, 15, 10, 0, 0, 123456)),
        ("at", "2013-01-15T10:00:00.1234567Z", BAD),
        ("at", "2013-01-15", BAD),
        ("at", "2013-02-30T10:00:00Z", BAD),
        ("at", "1600-01-01T00:00:00Z", utc(1600, 1, 1)),
        ("at", "9999-01-01T00:00:00Z", utc(9999, 1, 1)),
        ("local", "2300-01-01 00:00:00", datetime(2300, 1, 1)),
        ("local", "2300-01-01 00:00:00Z", BAD),
        ("fine", "2013-01-15T10:00:00.5Z", utc(2013, 1, 15, 10, 0, 0, 500_000)),
        ("fine", "1600-01-01T00:00:00Z", BAD),
        ("coarse", "2013-01-15T10:00:00.123Z", utc(2013, 1, 15, 10, 0, 0, 123_000)),
        ("coarse", "2013-01-15T10:00:00.123456Z", BAD),
        ("day", "2013-01-15", date(2013, 1, 15)),
        ("day", "2013-13-15", BAD),
        ("clock", "10:20:30.5", time(10, 20, 30, 500_000)),
        ("clock", "10:20:30.0000000019", BAD),
        ("took", "PT3M", timedelta(minutes=3)),
        ("took", "-P1DT2H", -timedelta(days=1, hours=2)),
        ("took", "PT0.0000019S", BAD),
        ("took", "PT99999999999999H", BAD),
        ("kind", "a", "a"),
        ("kind", "c", BAD),
        ("raw", "00ff", b"\x00\xff"),
    ],
)
def test_text_stands_for_a_value_or_its_row_is_bad(column, text, value):
    assert bring(column, pl.Series([text]), text=True) == value


@pytest.mark.parametrize(
    ("column", "values", "value"),
    [
        ("int16", pl.Series([7.0]), 7),
        ("int16", pl.Series([float("nan")]), BAD),
        ("int16", pl.Series([99_999]), BAD),
        ("small", pl.Series([16_777_217]), BAD),
        ("small", pl.Series([1e300]), BAD),
        ("money", pl.Series([Decimal("12345678901234567.89")]), BAD),
        ("at", pl.Series([utc(2013, 1, 15)]).cast(pl.Datetime("ns", "UTC")).dt.offset_by("7ns"), BAD),
        ("at", pl.Series([utc(2013, 1, 15)]).dt.convert_time_zone("Asia/Kathmandu"), utc(2013, 1, 15)),
        ("fine", pl.Series([utc(9999, 1, 1)]), BAD),
        ("day", pl.Series([datetime(2013, 1, 15)]), date(2013, 1, 15)),
        ("day", pl.Series([datetime(2013, 1, 15, 1)]), BAD),
        ("took", pl.Series([1]).cast(pl.Duration("ns")), BAD),
        ("kind", pl.Series(["b"], dtype=pl.Categorical), "b"),
    ],
)
def test_a_value_of_another_type_is_the_same_or_its_row_is_bad(column, values, value):
    assert bring(column, values, text=False) == value


def test_a_column_that_was_renamed_is_told_with_its_new_name():
    class Parcels(dy.Schema):
        weight_kg = dy.Int64(primary_key=True)

    rows = pl.DataFrame({"weight": [1], "a\nb": [2]})
    told = r"parcels.csv lacks the column 'weight_kg', .*: add it; it has 'weight', 'a\\nb', which is not declared"
    with pytest.raises(DataError, match=told):
        convert(Raw(rows, frozenset()), Table(schema=Parcels), "parcels.csv", None)


def test_a_time_without_a_zone_is_of_the_zone_that_is_set_and_none_in_the_hour_that_is_twice():
    def local(text: str):
        return bring("at", pl.Series([text]), text=True, time_zone="Europe/Berlin")

    assert local("2013-07-15 10:00:00") == utc(2013, 7, 15, 8)
    assert local("2300-01-01 00:00:00") == utc(2299, 12, 31, 23)
    assert local("2013-10-27 02:30:00") is BAD and local("2013-03-31 02:30:00") is BAD
