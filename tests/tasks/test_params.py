"""params.yaml: overridden in part, and refused with the name of the setting."""

import pytest
from pydantic import ValidationError

from stack.local_stack import ROOT
from tasks.core.params import Params


def test_a_run_overrides_one_setting_and_keeps_the_others(params):
    given = Params.model_validate({"tuning": {"n_trials": 7}})
    assert given.tuning.n_trials == 7
    assert given.tuning.batch == params.tuning.batch
    assert given.split == params.split


def test_a_variable_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("PARAMS_SPLIT__HISTORY", "31d")
    assert Params.load().split.history.days == 31


def test_null_as_a_variable_is_none(monkeypatch):
    monkeypatch.setenv("PARAMS_RETRAIN__EVERY", "null")
    assert Params.load().retrain.every is None


@pytest.mark.parametrize("name", ["PARAMS_TUNIGN__N_TRIALS", "PARAMS_CLOK", "PARAMS_TUNING__N_TRAILS"])
def test_a_variable_that_names_no_setting_ends_with_its_name(monkeypatch, name):
    monkeypatch.setenv(name, "5")
    with pytest.raises(SystemExit, match=f"(?i){name.split('_')[-1]}.* no.* setting"):
        Params.load()


@pytest.mark.parametrize(
    ("given", "named"),
    [({"tuning": {"n_trails": 7}}, "n_trails"), ({"tuning": {"n_trials": 0}}, "n_trials"), ({"seeed": 1}, "seeed")],
)
def test_a_typo_or_a_violated_bound_is_refused_by_name(given, named):
    with pytest.raises(ValidationError, match=named):
        Params.model_validate(given)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("n_trials: 20", "n_trials: 0", "tuning.n_trials: Input should be greater than or equal to 1"),
        ("gate: 28d", "gate: -28d", "split.gate: "),
        ("cooldown: 14d", "cooldown: 14", "retrain.cooldown: Value error, give a number with its unit, such as 28d"),
        ("gate: 28d", "gate: 999999999999d", "split.gate: "),
        ("sampler: tpe", "sampler: best", "tuning.sampler: Input should be 'tpe', 'random' or 'grid'"),
        ("seed: 2013", "", "seed: Field required"),
        ("source: landing", "source: s3://key:SECRET@bucket", "a secret does not belong in an address"),
        ("seed: 2013", "seed: [", "is not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_ends_with_one_sentence_that_names_file_and_setting(
    tmp_path, monkeypatch, old, new, sentence
):
    file = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    monkeypatch.setattr("tasks.core.params.WORKSPACE", tmp_path)
    monkeypatch.setitem(Params.model_config, "yaml_file", file)
    with pytest.raises(SystemExit) as ended:
        Params.load()
    assert str(ended.value).startswith(f"error: {file}") and sentence in str(ended.value)
    assert "\n" not in str(ended.value) and "SECRET" not in str(ended.value)
