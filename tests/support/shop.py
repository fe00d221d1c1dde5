"""A shop small enough to check by hand: orders are asked for when they are placed, visits and customers are context."""

from datetime import UTC, datetime, timedelta

import dataframely as dy
import numpy as np
import polars as pl

from tasks.features.table import Table

START = datetime(2024, 1, 1, tzinfo=UTC)


class Orders(dy.Schema):
    """One order; what came of it is told later."""

    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC", primary_key=True)
    customer = dy.String(nullable=True)
    shop = dy.Int16(min=0, max=9)
    days = dy.Int16(nullable=True, min=0, max=3)  # until it came back
    price = dy.Float64(nullable=True, min=-1000, max=1000)  # that was paid in the end
    kept = dy.Bool(nullable=True)


class Visits(dy.Schema):
    """One visit of a customer."""

    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    customer = dy.String(nullable=True)
    spent = dy.Float32(nullable=True, min=-100, max=100)
    page = dy.String(nullable=True)
    clicks = dy.Int32(nullable=True)


class Customers(dy.Schema):
    """Who they are."""

    customer = dy.String(primary_key=True)
    born = dy.Int16(nullable=True)
    city = dy.String(nullable=True)


TABLES = {
    "orders": Table(
        schema=Orders,
        event_time=pl.col("at"),
        known_at=pl.col("at"),
        outcomes=["days", "price", "kept"],
        outcomes_known_at=pl.col("at") + pl.duration(days=pl.col("days")),
    ),
    "visits": Table(schema=Visits, known_at=pl.col("at"), resolution={"spent": 0.01}),
    "customers": Table(schema=Customers),
}


def make_tables(random: np.random.Generator, orders: int, visits: int, hours: int = 40) -> dict[str, pl.DataFrame]:
    """Random rows within some hours: few keys and moments, so that ties, nulls and empty windows are common."""
    names = np.array(["ann", "bob", "cem", None], dtype=object)

    def column(values, nulls: float = 0.2) -> list:
        return [None if random.random() < nulls else value for value in values]

    def moments(size: int) -> list[datetime]:
        return [START + timedelta(hours=int(hour)) for hour in random.integers(0, hours, size)]

    def frame(schema: type[dy.Schema], **columns) -> pl.DataFrame:
        return pl.DataFrame(columns, schema=schema.create_empty().schema)

    return {
        "orders": frame(
            Orders,
            id=list(range(orders)),
            at=moments(orders),
            customer=random.choice(names, orders).tolist(),
            shop=random.integers(0, 3, orders).tolist(),
            days=column(random.integers(0, 2, orders).tolist()),
            price=column(random.normal(0, 100, orders).tolist()),
            kept=column((random.random(orders) < 0.5).tolist()),
        ),
        "visits": frame(
            Visits,
            id=list(range(visits)),
            at=moments(visits),
            customer=random.choice(names, visits).tolist(),
            spent=column((random.integers(-500, 500, visits) / 100).tolist()),
            page=column(random.choice(["home", "cart"], visits).tolist()),
            clicks=column(random.integers(-9, 9, visits).tolist()),
        ),
        "customers": frame(Customers, customer=["ann", "bob"], born=[1980, None], city=["Ulm", "Bonn"]),
    }
