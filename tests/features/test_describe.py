"""A feature is described by what it follows, and a row explained by the rows behind its features."""

import numpy as np
import polars as pl
from shop import TABLES, make_tables

from tasks.features.build import Features
from tasks.features.describe import describe_features, explain_row
from tasks.features.index import KNOWN_AT, Index


def some_features(rows, known) -> dict:
    spent = known.visits.by("customer").last("1d").mean("spent")
    return {
        "shop": rows["shop"],
        "double": pl.col("shop") * 2 + pl.col("at").dt.hour(),
        "born": known.customers.by("customer").value("born"),
        "spent": spent,
        "spent_by_shop": spent * rows["shop"],
        "page": known.visits.by("customer").newest("page", within="2d"),
        "constant": np.zeros(len(rows)),
    }


FEATURES = Features(some_features, "orders", pl.col("at"))


def test_each_feature_is_described_by_columns_and_terms():
    tables = make_tables(np.random.default_rng(2), 60, 90)
    rows = tables["orders"]
    found = describe_features(FEATURES, rows, Index(TABLES, tables))
    mean = "visits.by(customer).last(1d).mean(spent)"
    assert {feature.name: feature.sources for feature in found} == {
        "shop": ["shop"],
        "double": ["at", "shop"],
        "born": ["customers.by(customer).value(born)"],
        "spent": [mean],
        "spent_by_shop": ["shop", mean],
        "page": ["visits.by(customer).newest(page, within=2d)"],
        "constant": [],
    }
    made = FEATURES.build(rows, Index(TABLES, tables))
    assert {feature.name: feature.nulls for feature in found} == {c.name: c.null_count() / 60 for c in made}


def test_a_row_is_explained_by_the_rows_of_each_window_newest_first():
    tables = make_tables(np.random.default_rng(2), 60, 90)
    row = tables["orders"].filter(pl.col("customer") == "ann").sort("at").tail(1)
    at = row["at"].item()
    explained = {str(e.terms[0]): e.rows for e in explain_row(FEATURES, row, Index(TABLES, tables))}
    visits = tables["visits"].filter(pl.col("customer") == "ann", pl.col("at") < at).sort("at", "id", descending=True)
    window = explained["visits.by(customer).last(1d).mean(spent)"]
    assert window["id"].to_list() == visits.filter(pl.col("at") >= at - pl.duration(days=1))["id"].to_list()
    assert window[KNOWN_AT].equals(window["at"], check_names=False)
    assert explained["visits.by(customer).newest(page, within=2d)"]["id"].to_list() == visits["id"].head(1).to_list()
    assert explained["customers.by(customer).value(born)"]["born"].to_list() == [1980]
