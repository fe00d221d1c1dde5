"""A use case small enough that every row it reads can be counted."""

from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest
from stores import with_files

from tasks.core.use_case import declare
from tasks.data.snapshot import Snapshot
from tasks.features.known import Known, Rows
from tasks.features.table import Table


class Orders(dy.Schema):
    """To predict: does an order come back?"""

    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC", primary_key=True)
    back = dy.Int64(nullable=True)
    known = dy.Datetime(time_zone="UTC", nullable=True)


class Prices(dy.Schema):
    """What was asked for."""

    id = dy.Int64(primary_key=True)
    known = dy.Datetime(time_zone="UTC")


def count_prices(rows: Rows, known: Known) -> dict:
    """How many prices became known in the five days before the prediction."""
    return {"prices": known.prices.last("5d").count()}


@pytest.fixture(scope="session")
def orders_case():
    """Orders and prices; the feature of an order is the number of prices that it was told of."""
    return declare(
        "late-arrivals",  # whose files its cache keys are made of
        tables={
            "orders": Table(
                schema=Orders, event_time=pl.col("at"), outcomes=["back"], outcomes_known_at=pl.col("known")
            ),
            "prices": Table(schema=Prices, known_at=pl.col("known")),
        },
        rows="orders",
        prediction_time=pl.col("at") - pl.duration(hours=1),
        target=pl.col("back") > 0,
        watched={},
        function=count_prices,
    )


@pytest.fixture
def orders(tmp_path):
    """Call it for a version that holds these orders (when, and when known) of January 2024 and these prices."""

    def make(rows: list[tuple[datetime, datetime | None]], prices: list[datetime]) -> Snapshot:
        times = {"at": [at for at, _ in rows], "known": [known for _, known in rows]}
        kinds = {"at": pl.Datetime("us", "UTC"), "known": pl.Datetime("us", "UTC")}
        orders = pl.DataFrame(times, schema=kinds).with_columns(
            id=pl.int_range(pl.len(), dtype=pl.Int64),
            back=pl.when(pl.col("known").is_not_null()).then(1).cast(pl.Int64),
        )
        known = pl.DataFrame({"known": prices}, schema={"known": pl.Datetime("us", "UTC")})
        files = {"orders/2024-01.parquet": orders, "prices.parquet": known.with_row_index("id")}
        return with_files(Snapshot("orders", {}), tmp_path, files)

    return make


@pytest.fixture(scope="session")
def noon():
    """A moment in January 2024."""
    return datetime(2024, 1, 20, 12, tzinfo=UTC)
