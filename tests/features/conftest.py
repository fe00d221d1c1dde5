"""Features of the small shop."""

import numpy as np
import polars as pl
import pytest
from shop import TABLES, make_tables

from tasks.features.build import Features
from tasks.features.index import Index


@pytest.fixture
def shop():
    """Call it with a features function for the features of all orders of some random tables."""

    def build(features, seed: int = 1, orders: int = 40, visits: int = 60) -> pl.DataFrame:
        tables = make_tables(np.random.default_rng(seed), orders, visits)
        return Features(features, "orders", pl.col("at")).build(tables["orders"], Index(TABLES, tables))

    return build
