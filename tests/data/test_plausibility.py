"""What no rule of a row can tell: outliers against history, references to nothing, times out of the horizon."""

from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest
from landings import set_back, take_in_all
from odd_files import at, make_rows, to_bytes

from tasks.core.use_case import load_tables
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import read_quarantine
from tasks.features.table import Table


class Sales(dy.Schema):
    """One sale."""

    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC", primary_key=True)
    shop = dy.String(nullable=True)
    price = dy.Float64(nullable=True)


class Shops(dy.Schema):
    """Where."""

    shop = dy.String(primary_key=True)


def make_sales(first: int, price: float = 10.0, shop: str = "north", rows: int = 200) -> pl.DataFrame:
    ids = pl.int_range(first, first + rows, eager=True)
    facts = {"at": datetime(2024, 1, 1, tzinfo=UTC), "shop": shop}
    sales = pl.DataFrame({"id": ids}).with_columns(pl.lit(value).alias(name) for name, value in facts.items())
    return sales.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")), price=price + (ids % 7).cast(pl.Float64))


def land(workspace, name: str, rows: pl.DataFrame) -> None:
    path = workspace / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_bytes(rows))
    set_back(path)


@pytest.fixture
def shop_tables(own_workspace):
    sales = Table(schema=Sales, event_time=pl.col("at"), references={"shop": ("shops", 0.1)})
    return {"sales": sales, "shops": Table(schema=Shops)}


def rules(params) -> list[str]:
    return read_quarantine(read_current_ledger())["reason"].to_list()


def test_numbers_far_from_all_known_ones_are_bad_rows_if_that_is_set(own_workspace, shop_tables, params):
    land(own_workspace, "shops/a.parquet", pl.DataFrame({"shop": ["north"]}))
    land(own_workspace, "sales/a.parquet", make_sales(0))
    far = make_sales(1000).with_columns(price=pl.when(pl.col("id") < 1003).then(900.0).otherwise("price"))
    assert take_in_all(shop_tables, outliers=8.0).bad == []
    land(own_workspace, "sales/b.parquet", far)
    assert take_in_all(shop_tables, outliers=8.0).changes[0].quarantined == 3
    assert rules(params) == ["price|outlier"] * 3
    land(own_workspace, "sales/c.parquet", far.with_columns(pl.col("id") + 5000))
    assert take_in_all(shop_tables).changes[0].quarantined == 0


def test_a_file_with_too_many_references_to_nothing_is_set_aside(own_workspace, shop_tables, params):
    land(own_workspace, "sales/a.parquet", make_sales(0))
    land(own_workspace, "shops/a.parquet", pl.DataFrame({"shop": ["north"]}))
    land(own_workspace, "sales/b.parquet", make_sales(1000, shop="nowhere"))
    landing = take_in_all(shop_tables)
    assert [change.file for change in landing.changes] == ["shops/a.parquet", "sales/a.parquet"]
    assert "shop has no row in shops for 200 of 200 values, such as nowhere; 10% may lack one" in landing.bad[0].reason


AHEAD = datetime.now(UTC).year + 2


@pytest.mark.parametrize(
    ("setting", "year"), [("horizon_gap", 2023), ("horizon_before", 1970), ("horizon_after", AHEAD)]
)
def test_the_horizon_can_be_widened(own_workspace, setting, year):
    (own_workspace / "landing" / "flights").mkdir(parents=True)
    wide = {"horizon_gap": "20000d"} if setting == "horizon_after" else {}
    for number, given, bad in ((1, {}, 3), (2, {setting: "20000d"}, 0)):
        at(year)(own_workspace / "landing" / "flights", make_rows(number))
        set_back(own_workspace / "landing" / "flights" / "odd.parquet")
        (change,) = take_in_all(load_tables(), **(wide | given)).changes
        assert change.quarantined == bad


def test_the_first_rows_of_a_table_are_measured_by_their_median(own_workspace, shop_tables):
    land(own_workspace, "shops/a.parquet", pl.DataFrame({"shop": ["north"]}))
    old = pl.when(pl.col("id") == 3).then(pl.datetime(1905, 1, 1, time_zone="UTC")).otherwise("at").alias("at")
    land(own_workspace, "sales/a.parquet", make_sales(0).with_columns(old))
    assert [change.quarantined for change in take_in_all(shop_tables).changes] == [0, 1]
