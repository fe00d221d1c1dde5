"""Each line of docs/how-to/features.md is what it says."""

import re
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from shop import TABLES, make_tables

from stack.local_stack import ROOT
from tasks.core.use_case import declare
from tasks.features.history import History
from tasks.features.index import Index
from tasks.features.known import Known
from tasks.features.window import Window

PAGES = ROOT / "docs" / "how-to"
PAGE = (PAGES / "features.md").read_text()
SAY = re.findall(r"^\| `(.+?)` \| ", PAGE.split("## The vocabulary")[1].split("## Recipes")[0], re.MULTILINE)
FUNCTIONS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]


def build(features) -> pl.DataFrame:
    tables = make_tables(np.random.default_rng(1), 30, 40)
    case = declare("late-arrivals", TABLES, "orders", pl.col("at"), pl.col("kept"), {}, features)
    made = case.build_features(tables["orders"], index := Index(case.tables, tables))
    case.check_alone(tables["orders"], index, made)
    return made


def test_the_table_names_the_whole_vocabulary():
    public = {name for kind in (History, Window, Known) for name in vars(kind) if not name.startswith("_")}
    assert {name for name in public - {"require_history"} if not any(f".{name}(" in say for say in SAY)} == set()


@pytest.mark.parametrize("say", SAY)
def test_each_line_of_the_table_is_a_feature(say):
    def features(rows, known):
        names = {"rows": rows, "known": known, "pl": pl, "function": lambda row, visits: len(visits)}
        value = eval(say, names)
        if isinstance(value, History):  # what to ask of it stands in other lines
            value = value.last("1d").count()
        return value if isinstance(value, dict) else {"x": value}

    made = build(features)
    assert made.height == 30
    assert all(column.null_count() < 30 for column in made)


def test_the_contract_and_target_of_the_page_on_your_own_data_hold():
    names: dict = {}
    for text in re.findall(r"```python\n(.*?)```", (PAGES / "your-data.md").read_text(), re.DOTALL):
        exec(text, names)
    parts = [names[part] for part in ("TABLES", "ROWS", "PREDICTION_TIME", "TARGET")]
    case = declare("late-arrivals", *parts, {}, lambda rows, known: {"depot": rows["depot"]})
    assert case.reach.lead == timedelta(hours=12)


@pytest.mark.parametrize("text", FUNCTIONS)
def test_the_functions_of_the_page_work(text):
    names: dict = {}
    exec(text, names)
    assert build(names["features"]).height == 30
