"""What project/ declares becomes one use case, or one sentence says what is missing."""

from datetime import timedelta
from types import SimpleNamespace

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


def test_a_table_to_predict_without_event_time_or_known_at_is_told(parts):
    parts["contract"].KNOWN_AT = {}
    with pytest.raises(InputError, match="project/ lacks 'flights': EVENT_TIME and KNOWN_AT need an entry for ROWS"):
        load_use_case("late-arrivals")


def test_a_name_that_a_module_lacks_is_told(parts):
    del parts["late_arrivals.target"].WATCHED
    with pytest.raises(InputError, match="project/ lacks .*'WATCHED'"):
        load_use_case("late-arrivals")


def test_a_model_that_project_does_not_hold_is_told_with_those_that_it_does():
    with pytest.raises(InputError, match="project/ holds no model 'churn': it holds late-arrivals"):
        load_use_case("churn")


def test_a_module_that_cannot_be_imported_is_told_by_its_file():
    with pytest.raises(InputError, match=r"project/late_arrivals/nothing.py cannot be imported: ModuleNotFoundError"):
        load_part("project.late_arrivals.nothing")


@pytest.mark.parametrize("lookback", [timedelta(days=-5), 5, timedelta(days=99_999)])
def test_a_lookback_that_is_no_span_back_is_refused(parts, lookback):
    parts["late_arrivals.features"].LOOKBACK = lookback
    with pytest.raises(InputError, match="features.py: LOOKBACK is .*, it must be a timedelta of 0 days or more"):
        load_use_case("late-arrivals")
