"""Types that a contract may declare and a model cannot take: brought to plain ones, or refused in one sentence."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dataframely as dy
import polars as pl
import pytest
from stores import with_files

from tasks.core.errors import InputError
from tasks.core.use_case import declare
from tasks.data.arrivals import ARRIVED
from tasks.data.feature_frame import build_feature_frame
from tasks.data.merge import Merge
from tasks.data.snapshot import Snapshot
from tasks.data.validation import separate_rows
from tasks.features.table import TIME, Table
from tasks.training.first_look import describe_outcomes
from tasks.training.split import labelled_rows

START = datetime(2024, 1, 10, 9, tzinfo=UTC)


class Sales(dy.Schema):
    """One sale, in every type that is not plain."""

    at = dy.Datetime(time_zone="Europe/Berlin", time_unit="ns", primary_key=True)
    size = dy.Enum(["S", "M"], primary_key=True)
    city = dy.Categorical(nullable=True)
    price = dy.Decimal(10, 2, nullable=True)
    kept = dy.String(nullable=True)
    stars = dy.Int8(nullable=True)
    returned = dy.UInt8(nullable=True, max=1)
    took = dy.Duration(nullable=True)


TABLES = {
    "sales": Table(
        schema=Sales,
        event_time=pl.col("at"),
        outcomes=["kept", "stars", "returned", "took"],
        outcomes_known_at=pl.col("at") + pl.duration(hours=2),
    )
}


def make_rows(rows: int) -> pl.DataFrame:
    """As many sales, an hour apart."""
    frame = pl.DataFrame(
        {
            "at": [START + timedelta(hours=hour) for hour in range(rows)],
            "size": ["S", "M"] * (rows // 2),
            "city": ["Ulm", "Bonn"] * (rows // 2),
            "price": [Decimal("1.25")] * rows,
            "kept": ["yes", "no"] * (rows // 2),
            "stars": [0, 1, 2, 3] * (rows // 4),
            "returned": [0, 1] * (rows // 2),
            "took": [timedelta(minutes=3)] * rows,
        }
    )
    return Sales.cast(frame.with_columns(pl.col("at").dt.convert_time_zone("Europe/Berlin")))


def make_case(target: pl.Expr):
    """What came of a sale, from each of its columns and from the past."""

    def features(rows, known):
        past = known.sales.by("size").last("9h")
        return {
            "size": rows["size"],
            "city": rows["city"],
            "price": rows["price"] * 2,
            "small": rows["size"] == "S",
            "mean_price": past.mean("price"),
            "kept": past.share(pl.col("kept") == "yes"),
        }

    return declare("late-arrivals", TABLES, "sales", pl.col("at") - pl.duration(minutes=30), target, {}, features)


@pytest.fixture
def build(store, tmp_path, params):
    """Call it for the feature frame of eight sales with a target."""

    def call(target: pl.Expr) -> pl.DataFrame:
        version = with_files(Snapshot("sales", {}), tmp_path, {"sales/2024-01.parquet": make_rows(8)})
        return build_feature_frame.fn(version, make_case(target), START + timedelta(days=1), None, params.validation)[0]

    return call


def test_categories_decimals_and_clocks_of_a_zone_are_brought_to_plain_types(build):
    frame = build(pl.col("kept") == "yes")
    assert frame["event_time"].to_list() == [START + timedelta(hours=hour) for hour in range(8)]
    assert frame["size"].to_list() == ["S", "M"] * 4 and frame["city"].to_list() == ["Ulm", "Bonn"] * 4
    assert frame["price"].to_list() == [2.5] * 8 and frame["small"].to_list() == [1, 0] * 4
    assert frame["mean_price"].drop_nulls().unique().to_list() == [1.25] and frame["kept"][-1] == 0


def test_rows_of_such_types_land_once_and_are_unchanged_the_second_time(store, tmp_path, params):
    tables, rows = make_case(pl.col("kept") == "yes").tables, make_rows(8)
    version = with_files(Snapshot("sales", {}), tmp_path, {"sales/2024-01.parquet": rows.head(4)})
    for expected in ([4, 4, 0, 0], [0, 8, 0, 0]):
        merge = Merge(version, tables)
        valid = separate_rows(tables, "sales", rows)[0].with_columns(pl.lit(None, TIME).alias(ARRIVED))
        assert list(merge.add("sales", valid)) == expected
        files = {name: frame.drop(ARRIVED) for name, frame in merge.changed()[0].items()}
        version = with_files(version, tmp_path, files)


@pytest.mark.parametrize(
    ("target", "taken", "said"),
    [
        (pl.col("returned"), pl.Boolean, "TARGET is 0 or 1, taken as false and true, true in 50.0%: its probability"),
        (pl.col("stars"), pl.Float64, "TARGET is a number from 0 to 3, 1.5 in the mean: its value is predicted"),
        (pl.col("kept") == "yes", pl.Boolean, "TARGET is true in 50.0%: its probability is predicted"),
        (pl.col("took").dt.total_minutes(), pl.Float64, "TARGET is a number from 3 to 3"),
    ],
)
def test_what_a_target_is_taken_for_is_said_with_its_delay(build, target, taken, said):
    rows = labelled_rows(frame := build(target))
    assert rows["target"].dtype == taken
    assert said in (sentence := describe_outcomes(frame, rows))
    assert "8 of 8 rows have an outcome (100.0%)" in sentence
    assert sentence.endswith("it is known 2.0 hours after the event in the median, 2.0 hours in 95%")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            pl.col("kept"),
            'TARGET is text: compare it, such as pl.col("kept") == "yes"; of several classes make a model',
        ),
        (pl.col("took"), "make it Boolean or a number, such as .dt.total_minutes() of a time span"),
        (pl.col("stars").shift(-1), "TARGET looks across rows: an outcome of a row must follow from its own columns"),
        (pl.col("price") > 1, "TARGET is made of price, but only of outcomes may it be"),
    ],
)
def test_a_target_that_no_model_can_learn_is_refused_when_it_is_declared(target, sentence):
    with pytest.raises(InputError, match=f"project/late_arrivals/target.py.*{re.escape(sentence)}"):
        make_case(target)
