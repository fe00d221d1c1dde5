"""What project/ declares becomes one use case, or one sentence says what is missing."""

from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest

from tasks.core import use_case as module
from tasks.core.errors import InputError
from tasks.core.use_case import load_part, load_use_case


@pytest.fixture
def parts(monkeypatch):
    """The modules of the sample by name, for a test to change; the use case is loaded anew from them."""
    found = {
        name: load_part(f"project.{name}") for name in ("contract", "late_arrivals.target", "late_arrivals.features")
    }
    copies = {name: SimpleNamespace(**vars(part)) for name, part in found.items()}
    monkeypatch.setattr(module, "load_part", lambda name: copies[name.removeprefix("project.")])
    load_use_case.cache_clear()
    yield copies
    load_use_case.cache_clear()


def test_a_table_to_predict_without_outcomes_is_told(parts):
    flights = replace(parts["contract"].TABLES["flights"], outcomes=[], outcomes_known_at=None)
    parts["contract"].TABLES = parts["contract"].TABLES | {"flights": flights}
    with pytest.raises(InputError, match="target.py: the rows of flights are predicted, so contract.py must declare"):
        load_use_case("late-arrivals")


def test_a_target_that_features_could_see_is_refused(parts):
    parts["late_arrivals.target"].TARGET = pl.col("arr_delay") > pl.col("distance")
    with pytest.raises(InputError, match="TARGET is made of distance, but only of outcomes may it be"):
        load_use_case("late-arrivals")


def test_a_name_that_a_module_lacks_is_told(parts):
    del parts["late_arrivals.target"].TARGET
    with pytest.raises(InputError, match="TARGET.*docs/how-to/your-data.md"):
        load_use_case("late-arrivals")


def test_a_model_that_project_does_not_hold_is_told_with_those_that_it_does():
    with pytest.raises(InputError, match="project/ holds no model 'churn': it holds arrival-delay, late-arrivals"):
        load_use_case("churn")


def test_a_file_of_project_that_is_not_there_yet_is_told():
    with pytest.raises(InputError, match=r"there is no project/late_arrivals/nothing.py yet: `ml new NAME` writes it"):
        load_part("project.late_arrivals.nothing")
