"""The study: the same for any number of workers, and fair to what is known to be good."""

import shutil
from datetime import UTC, datetime

import numpy as np
import optuna
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from tasks.core.errors import InputError
from tasks.core.workspace import workspace
from tasks.training import estimators
from tasks.training.estimators import DEFAULT, search_space
from tasks.training.split import split_rows
from tasks.training.tuning import make_study, open_journal, tune_model

LINEAR = {"family": "linear", "C": 0.1}


@pytest.fixture(scope="module")
def sets(year, params):
    as_of = datetime(2013, 3, 1, tzinfo=UTC)
    return split_rows(year.filter(pl.col("label_time") < as_of), as_of, params.split)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_number_of_workers_does_not_change_the_study(sets, use_case, params, sampler, store):
    tuning = params.tuning.model_copy(update={"n_trials": 16, "max_rows": 500, "sampler": sampler})
    found = [
        tune_model.fn(
            use_case, sets.train, sets.validation, LINEAR, tuning.model_copy(update={"workers": workers}), params.seed
        )
        for workers in (1, 2)
        if not shutil.rmtree(workspace().studies, ignore_errors=True)
    ]
    assert found[0] == found[1]


def test_a_study_starts_with_the_default_and_the_champion(params):
    study = make_study(estimators, LINEAR, params.tuning, params.seed)
    assert [search_space(study.ask()) for _ in range(2)] == [DEFAULT, LINEAR]


def test_a_champion_that_the_search_space_no_longer_holds_is_left_out(params):
    study = make_study(estimators, {"family": "forest", "trees": 3}, params.tuning, params.seed)
    assert search_space(study.ask()) == DEFAULT
    assert len(study.trials) == 1


def test_a_champion_that_the_search_space_prunes_is_left_out(params, monkeypatch):
    def prune(trial):
        raise optuna.TrialPruned

    monkeypatch.setattr(estimators, "search_space", prune)
    assert len(make_study(estimators, LINEAR, params.tuning, params.seed).trials) == 1


def test_a_grid_is_tried_to_its_end_and_no_further(sets, use_case, params, store, monkeypatch, capsys):
    def grid(trial):
        return LINEAR | {"C": trial.suggest_float("C", 0.1, 0.5, step=0.1)}

    monkeypatch.setattr(estimators, "search_space", grid)
    monkeypatch.setattr(estimators, "DEFAULT", {"C": 0.1})
    tuning = params.tuning.model_copy(update={"n_trials": 100, "max_rows": 500, "sampler": "grid", "batch": 2})
    tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed)
    (journal,) = (workspace().studies).iterdir()
    tried = {round(trial.params["C"], 1) for trial in open_journal(journal.stem).trials}
    assert tried == {0.1, 0.2, 0.3, 0.4, 0.5}
    assert len(capsys.readouterr().out.splitlines()) <= 4


def test_the_half_line_of_a_full_disk_costs_that_trial_alone(sets, use_case, params, store):
    tuning = params.tuning.model_copy(update={"n_trials": 4, "max_rows": 500, "batch": 2})
    whole = tune_model.fn(use_case, sets.train, sets.validation, LINEAR, tuning, params.seed)
    (journal,) = (workspace().studies).glob("*.journal")
    journal.write_bytes(journal.read_bytes()[:-40])
    assert len(open_journal(journal.stem).trials) == 3
    assert tune_model.fn(use_case, sets.train, sets.validation, LINEAR, tuning, params.seed) == whole
    assert len(open_journal(journal.stem).trials) == 4


@pytest.mark.parametrize("garbage", [b"{not json}\n", b"\xff\xfe\n"])
def test_a_damaged_journal_costs_its_trials_and_no_more(sets, use_case, params, store, garbage):
    tuning = params.tuning.model_copy(update={"n_trials": 2, "max_rows": 500, "batch": 2})
    whole = tune_model.fn(use_case, sets.train, sets.validation, LINEAR, tuning, params.seed)
    (journal,) = workspace().studies.glob("*.journal")
    journal.write_bytes(garbage + journal.read_bytes())
    assert tune_model.fn(use_case, sets.train, sets.validation, LINEAR, tuning, params.seed) == whole


def test_a_grid_over_a_space_that_has_none_is_refused_with_the_fix(sets, use_case, params, store):
    tuning = params.tuning.model_copy(update={"n_trials": 20, "max_rows": 500, "sampler": "grid"})
    with pytest.raises(InputError, match=r"search_space of the estimator .*step must be given"):
        tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed)


class Silent(DummyClassifier):
    """A model whose probabilities are no numbers."""

    def predict_proba(self, X):  # noqa: N803
        return np.full((len(X), 2), np.nan)


def use_troubled(monkeypatch, good: bool) -> None:
    """Let trial 1 be pruned, trial 2 fail, trial 3 have no loss; the others are good, or fail too."""
    make = estimators.make_model

    def search_space(trial):
        if trial.number == 1:
            raise optuna.TrialPruned
        return LINEAR | {"C": trial.suggest_float("C", 0.1, 0.5), "number": trial.number}

    def make_model(hyperparameters, schema, target, seed):
        number = hyperparameters["number"]
        if number == 3:
            return make_pipeline(Silent())
        if number == 2 or not good:
            raise RuntimeError(f"trial {number} is out of luck")
        return make(LINEAR | {"C": hyperparameters["C"]}, schema, target, seed)

    monkeypatch.setattr(estimators, "search_space", search_space)
    monkeypatch.setattr(estimators, "make_model", make_model)
    monkeypatch.setattr(estimators, "DEFAULT", {"C": 0.1})


def test_a_trial_that_fails_is_pruned_or_has_no_loss_costs_that_trial_alone(
    sets, use_case, params, store, monkeypatch, capsys
):
    use_troubled(monkeypatch, good=True)
    tuning = params.tuning.model_copy(update={"n_trials": 6, "max_rows": 500, "batch": 3})
    first = tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed)
    told = capsys.readouterr().out
    assert "trial 2 has no loss, RuntimeError: trial 2 is out of luck" in told
    assert "trial 3 has no loss, its loss is nan" in told
    assert "6 of 6 trials" in told and "3 failed or were pruned" in told
    assert first.hyperparameters["number"] in (0, 4, 5)
    assert tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed) == first


def test_a_study_without_a_finished_trial_ends_in_a_sentence(sets, use_case, params, store, monkeypatch):
    use_troubled(monkeypatch, good=False)
    tuning = params.tuning.model_copy(update={"n_trials": 4, "max_rows": 500, "batch": 2})
    with pytest.raises(InputError, match=r"none of 4 trials has a loss, the last: its loss is nan; mend search_space"):
        tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed)
