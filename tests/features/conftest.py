"""Features of the small shop."""

import numpy as np
import polars as pl
import pytest
from shop import TABLES, make_tables

from tasks.features.build import build_features
from tasks.features.index import Index


@pytest.fixture
def shop():
    """Call it with a features function for the features of all orders of some random tables."""

    def build(features, seed: int = 1, orders: int = 40, visits: int = 60) -> pl.DataFrame:
        tables = make_tables(np.random.default_rng(seed), orders, visits)
        return build_features(features, tables["orders"], tables["orders"]["at"], Index(TABLES, tables), "orders")

    return build
