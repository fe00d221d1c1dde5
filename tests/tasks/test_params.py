"""params.yaml: overridden in part, and refused with the name of the setting."""

import pytest
from pydantic import ValidationError

from tasks.params import Params


def test_a_run_overrides_one_setting_and_keeps_the_others(params):
    given = Params.model_validate({"tuning": {"n_trials": 7}})
    assert given.tuning.n_trials == 7
    assert given.tuning.batch == params.tuning.batch
    assert given.split == params.split


def test_a_variable_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("PARAMS_SPLIT__HISTORY", "31d")
    assert Params.load().split.history.days == 31


@pytest.mark.parametrize(
    ("given", "named"),
    [({"tuning": {"n_trails": 7}}, "n_trails"), ({"tuning": {"n_trials": 0}}, "n_trials"), ({"seeed": 1}, "seeed")],
)
def test_a_typo_or_a_violated_bound_is_refused_by_name(given, named):
    with pytest.raises(ValidationError, match=named):
        Params.model_validate(given)
