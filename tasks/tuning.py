"""The study: fixed ask/tell batches on threads, so that the number of workers never changes the result."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
import polars as pl
from prefect import task
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tasks.metrics import log_losses
from tasks.model import DEFAULT, make_model, search_space
from tasks.params import Tuning
from tasks.partitions import META

optuna.logging.set_verbosity(optuna.logging.WARNING)


@task
def tune_model(
    train: pl.DataFrame, validation: pl.DataFrame, champion: dict[str, Any] | None, tuning: Tuning, seed: int
) -> dict[str, Any]:
    """The hyperparameters with the lowest log loss on later rows than they were fitted on.

    Args:
        train: Feature frame a trial fits on; tuning.max_rows of them at random.
        validation: Feature frame a trial is scored on.
        champion: The champion's hyperparameters, tried as trial 1; the untuned default is trial 0.
        tuning: Trials, batch, workers and sampler.
        seed: Of the subsample, the sampler and the models.
    """
    sample = train.sample(min(tuning.max_rows, train.height), seed=seed)
    study = make_study(champion, tuning, seed)
    with threadpool_limits(1), ThreadPoolExecutor(tuning.workers) as threads:
        for start in range(0, tuning.n_trials, tuning.batch):
            trials = [study.ask() for _ in range(min(tuning.batch, tuning.n_trials - start))]
            chosen = [search_space(trial) for trial in trials]
            losses = threads.map(
                lambda hyperparameters: validation_loss(hyperparameters, sample, validation, seed), chosen
            )
            for trial, hyperparameters, loss in zip(trials, chosen, losses, strict=True):
                trial.set_user_attr("hyperparameters", hyperparameters)
                study.tell(trial, loss)
            print(f"tuning: {len(study.trials)} of {tuning.n_trials} trials, best log loss {study.best_value:.4f}")
    return study.best_trial.user_attrs["hyperparameters"]


def make_study(champion: dict[str, Any] | None, tuning: Tuning, seed: int) -> optuna.Study:
    """An empty study with the default, and the champion if there is one, in its queue."""
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # TPE by groups: the space has branches
        study = optuna.create_study(sampler=samplers[tuning.sampler]())
    study.enqueue_trial(DEFAULT)
    if champion:
        study.enqueue_trial(champion)
    return study


def validation_loss(hyperparameters: dict[str, Any], train: pl.DataFrame, validation: pl.DataFrame, seed: int) -> float:
    """The log loss on `validation` of a model fitted on `train`."""
    model = fit_model.fn(train, hyperparameters, seed)
    score = model.predict_proba(validation.drop(META))[:, -1]
    return float(log_losses(validation["target"].to_numpy(), score).mean())


@task
def fit_model(frame: pl.DataFrame, hyperparameters: dict[str, Any], seed: int) -> Pipeline:
    """A model fitted on a feature frame, on one thread: more would change the bits of linear models."""
    features = frame.drop(META)
    with threadpool_limits(1):
        return make_model(hyperparameters, features.schema, seed).fit(features, frame["target"])
