"""Rows that break the contract are named, counted, kept, and never lost."""

import json
from datetime import datetime

import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.core.params import Validation
from tasks.core.tables import read_rows
from tasks.data.quarantine import QUARANTINE
from tasks.data.validation import separate_rows, validate_rows


def test_the_sample_holds_one_bad_row_the_wind_of_1048_mph(snapshot, use_case):
    weather = pl.read_parquet(snapshot.files["weather.parquet"])
    valid, quarantined = separate_rows(use_case.tables, "weather", weather)
    assert valid.height + quarantined.height == weather.height
    assert quarantined["broken_rules"].to_list() == [["wind_speed|max"]]
    assert quarantined["wind_speed"].to_list() == [pytest.approx(1048.36, abs=0.01)]


def test_a_row_that_breaks_two_rules_names_both_and_unlike_rows_of_one_key_are_bad(tables, use_case):
    rows = tables["flights"].head(10)
    twice = pl.concat([rows, rows.head(1).with_columns(dest=pl.lit("XXX"))])
    broken = twice.with_columns(distance=pl.when(pl.int_range(11) == 5).then(0).otherwise("distance").cast(pl.Int16))
    broken = broken.with_columns(origin=pl.when(pl.int_range(11) == 5).then(pl.lit("XXX")).otherwise("origin"))
    valid, quarantined = separate_rows(use_case.tables, "flights", broken)
    assert valid.height == 8
    assert sorted(map(sorted, quarantined["broken_rules"].to_list())) == [
        ["distance|min", "origin|regex"],
        ["primary_key"],
        ["primary_key"],
    ]


def test_too_many_bad_rows_stop_the_run_naming_table_rule_count_and_an_example(tables, use_case, store):
    bad = tables["weather"].head(100).with_columns(temp=pl.lit(999, pl.Float32))
    with pytest.raises(InputError, match=r"weather: 100 of 100 rows .* temp\|max \(100 rows\); for example .*temp=999"):
        validate_rows(use_case.tables, "weather", bad, Validation(max_bad_share=0.01))
    assert not (store / "quarantine").exists()


def test_rows_that_are_the_same_in_every_column_count_once(tables, use_case):
    rows = tables["flights"].head(10)
    valid, quarantined = separate_rows(use_case.tables, "flights", pl.concat([rows, rows.head(3), rows.head(1)]))
    assert valid.equals(rows) and quarantined.is_empty()


def test_so_many_bad_rows_as_are_tolerated_stop_no_run_however_few_rows_there_are(tables, use_case, store):
    def bad(count: int) -> pl.DataFrame:
        return (
            tables["weather"].head(20).with_columns(temp=pl.when(pl.int_range(20) < count).then(999).otherwise("temp"))
        )

    few = Validation(max_bad_share=0.01, max_bad_rows=3)
    assert validate_rows(use_case.tables, "weather", bad(3), few)[1].quarantined == 3
    with pytest.raises(InputError, match="weather: 4 of 20 rows"):
        validate_rows(use_case.tables, "weather", bad(4), few)


def test_quarantined_rows_are_written_once(tables, use_case, store):
    bad = tables["weather"].head(200).with_columns(temp=pl.when(pl.int_range(200) == 3).then(999).otherwise("temp"))
    for _ in range(2):
        valid, count = validate_rows(use_case.tables, "weather", bad, Validation(max_bad_share=0.01))
    assert (valid.height, count.quarantined, count.broken_rules) == (199, 1, {"temp|max": 1})
    (kept,) = read_rows(QUARANTINE).iter_rows(named=True)
    assert (kept["table"], kept["reason"]) == ("weather", "temp|max")
    row = json.loads(kept["row"])
    assert row["temp"] == 999 and datetime.fromisoformat(row["time_hour"]) == bad["time_hour"][3]


def test_a_column_of_the_wrong_type_is_named(tables, use_case, store):
    wrong = tables["weather"].head(100).with_columns(temp=pl.lit("warm"))
    with pytest.raises(InputError, match=r"temp\|dtype"):
        validate_rows(use_case.tables, "weather", wrong, Validation(max_bad_share=0.01))
