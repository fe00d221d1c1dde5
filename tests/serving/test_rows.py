"""What a request may hold is what the contract declares, whichever type a column has, and the log gives it back."""

import json
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace

import dataframely as dy
import polars as pl
import pytest
from pydantic_core import to_json

from serving.refusal import RefusedError
from serving.rows import RowSchema
from tasks.core.params import Serve
from tasks.features.table import Table
from tasks.inference.answers import read_rows

LIMITS = Serve()


class Odd(dy.Schema):
    """A column of every kind."""

    id = dy.Int64(primary_key=True, min=1, max=9)
    small = dy.Float32(min=-1, max=1)
    open = dy.Float64(nullable=True)
    below = dy.Float32(nullable=True, max_exclusive=1)
    at = dy.Datetime(nullable=True, time_zone="UTC", min=datetime(2020, 1, 1, tzinfo=UTC))
    local = dy.Datetime(nullable=True, resolution="1h")
    nano = dy.Datetime(nullable=True, time_unit="ns", time_zone="UTC")
    day = dy.Date(nullable=True, min=date(2020, 1, 1))
    clock = dy.Time(nullable=True)
    span = dy.Duration(nullable=True)
    price = dy.Decimal(8, 2, nullable=True)
    kind = dy.Enum(["a", "b"], nullable=True)
    text = dy.String(nullable=True, min_length=2, max_length=4)
    tags = dy.List(dy.String(), nullable=True)
    days = dy.List(dy.Date(), nullable=True)
    place = dy.Struct({"lat": dy.Float64(), "since": dy.Date(nullable=True)}, nullable=True)


TABLE = Table(schema=Odd)
SCHEMA = RowSchema("odd", TABLE)
ROW = {name: None for name in Odd.columns()} | {"id": 1, "small": 0.5}
GOOD = {
    "open": [1, -3e38],
    "below": [0.5],
    "at": ["2024-06-01T12:00:00+02:00"],
    "local": ["2024-06-01T12:00:00"],
    "nano": ["2024-06-01T12:00:00Z"],
    "day": ["2024-06-01"],
    "clock": ["14:30:00"],
    "span": ["PT90M", "P1DT2H"],
    "price": [11.5],
    "kind": ["a"],
    "text": ["ab", "é", "abcd"],
    "tags": [[], ["x", "y"]],
    "days": [["2024-06-01", "2024-06-02"]],
    "place": [{"lat": 0.5, "since": "2024-06-01"}],
}
BAD = {
    "id": [0, 10, "1", None],
    "small": [-2, 1.5, None],
    "open": [1e39, -1e308],
    "below": [1, 0.99999999999],
    "at": ["2019-12-31T23:00:00Z", "2024-06-01T12:00:00"],
    "local": ["2024-06-01T12:30:00"],
    "nano": ["2500-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    "day": ["2019-12-31"],
    "clock": ["14:00:00Z", "25:00:00"],
    "kind": ["c"],
    "text": ["a", "abcde", "éé1"],
    "tags": ["x", [1]],
    "place": [{"lat": "x"}, {"long": 1}],
}


def read(row: dict) -> pl.DataFrame:
    rows = SCHEMA.read(json.dumps(row).encode(), LIMITS)
    SCHEMA.require_rules(rows)
    return SCHEMA.to_frame(rows)


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_a_value_that_the_contract_allows_is_read_and_comes_back_from_the_log(column, value):
    frame = read(ROW | {column: value})
    assert frame[column].null_count() == 0
    (row,) = SCHEMA.read(json.dumps(ROW | {column: value}).encode(), LIMITS)
    logged = json.loads(to_json(dict(zip(SCHEMA.columns, row, strict=True))))
    again = read_rows(SimpleNamespace(predicted=TABLE), [logged])
    assert again.equals(frame, null_equal=True), (again[column], frame[column])


def test_a_row_of_which_a_rule_cannot_be_computed_is_refused():
    class Trips(dy.Schema):
        at = dy.Datetime(primary_key=True, time_zone="UTC")
        span = dy.Duration()

        @dy.rule()
        def ends_in_its_month(cls) -> pl.Expr:
            return (pl.col("at") + pl.col("span")).dt.truncate("1mo") == pl.col("at").dt.truncate("1mo")

    schema = RowSchema("trips", Table(schema=Trips))
    good, bad = (
        schema.read(json.dumps({"at": "2024-06-01T12:00:00Z", "span": span}).encode(), LIMITS)
        for span in ("PT1H", "P100000000D")
    )
    schema.require_rules(good)
    with pytest.raises(pl.exceptions.PanicException):
        schema.to_frame(bad).select(*schema.rules.values())
    with pytest.raises(RefusedError) as refused:
        schema.require_rules(bad)
    assert refused.value.status == 409 and b"cannot be computed" in refused.value.body


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_value_that_it_does_not_allow_is_refused(column, value):
    with pytest.raises(RefusedError) as refused:
        read(ROW | {column: value})
    assert refused.value.status in (409, 422)
    assert len(str(value)) < 4 or str(value) not in refused.value.body.decode()


def test_times_are_of_the_types_that_features_are_made_of():
    frame = read(ROW | {"at": "2024-06-01T12:00:00+02:00", "clock": "14:30:00", "span": "PT90M"})
    assert frame["at"][0] == datetime(2024, 6, 1, 10, tzinfo=UTC)
    assert (frame["clock"][0], frame["span"][0]) == (time(14, 30), timedelta(minutes=90))


def test_an_outcome_is_told_as_one_and_each_fault_once():
    schema = RowSchema("odd", TABLE, ["open"])
    with pytest.raises(RefusedError) as refused:
        schema.read(json.dumps(ROW | {"a": 1, "b": 2}).encode(), LIMITS)
    messages = [fault.message for fault in refused.value.faults]
    assert len(messages) == 2 and any(message.startswith("an outcome: leave it out") for message in messages)
