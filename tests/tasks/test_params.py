"""params.yaml: overridden in part, and refused with the name of the setting."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tasks.params import Params
from tasks.stack import clean_environment, make_workspace


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


def test_an_unknown_key_in_the_file_ends_the_command_with_one_sentence(tmp_path):
    workspace = make_workspace(tmp_path / "workspace")
    file = workspace / "params.yaml"
    file.write_text(file.read_text() + "\nlearning_rate: 0.1\n")
    command = [sys.executable, "-m", "flows.train"]
    done = subprocess.run(command, env=clean_environment(workspace), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "learning_rate: no such setting" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
