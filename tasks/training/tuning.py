"""The study: fixed ask/tell batches on threads, so that the number of workers never changes the result.

Trials are asked anew in every run, which costs milliseconds; only those whose loss no journal holds are fitted. So a
study that was interrupted goes on to the same end.
"""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import optuna
import polars as pl
from prefect import task
from threadpoolctl import threadpool_limits

from tasks.core.cache_keys import make_key
from tasks.core.digests import META, digest_rows
from tasks.core.errors import InputError
from tasks.core.params import Tuning
from tasks.core.progress import start_progress
from tasks.evaluation.metrics import losses
from tasks.training.estimators import DEFAULT, search_space
from tasks.training.fit import fit_model, predict
from tasks.training.trials import finished_trials, keep_trial, open_journal

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Tuned(NamedTuple):
    """What a study chose."""

    hyperparameters: dict[str, Any]
    study: str | None = None  # its journal is store/studies/STUDY.journal
    trials: int = 0
    loss: float | None = None


@task
def tune_model(
    train: pl.DataFrame, validation: pl.DataFrame, champion: dict[str, Any] | None, tuning: Tuning, seed: int
) -> Tuned:
    """The hyperparameters with the lowest loss on later rows than they were fitted on.

    Args:
        train: Feature frame a trial fits on; tuning.max_rows of them at random.
        validation: Feature frame a trial is scored on.
        champion: The champion's hyperparameters, tried as trial 1; the untuned default is trial 0.
        tuning: Trials, batch, workers and sampler.
        seed: Of the subsample, the sampler and the models.
    """
    sample = train.sample(min(tuning.max_rows, train.height), seed=seed)
    matters = tuning.model_dump(include={"batch", "sampler"})
    rows = [digest_rows(sample), digest_rows(validation)]
    key = make_key("training/tuning", rows=rows, champion=champion, seed=seed, **matters)
    journal = open_journal(key)
    known = finished_trials(journal)

    def evaluate(trial: optuna.Trial, hyperparameters: dict[str, Any]) -> float:
        if trial.number in known:
            return known[trial.number]
        model = fit_model.fn(sample, hyperparameters, seed)
        loss = float(losses(validation["target"].to_numpy(), predict(model, validation.drop(META))).mean())
        keep_trial(journal, trial, loss)
        return loss

    study, show_progress = make_study(champion, tuning, seed), start_progress("Tuning")
    with threadpool_limits(1), ThreadPoolExecutor(tuning.workers) as threads:
        done, more = 0, True
        while more and done < tuning.n_trials:
            size = min(tuning.batch, tuning.n_trials - done)
            more = run_batch(study, size, evaluate, threads)
            done += size
            kept = len(known.keys() & range(done))
            show_progress(100 * done / tuning.n_trials if more else 100)
            print(f"tuning: {done} of {tuning.n_trials} trials ({kept} kept), lowest loss {study.best_value:.4f}")
    return Tuned(study.best_trial.user_attrs["hyperparameters"], key, done, study.best_value)


def make_study(champion: dict[str, Any] | None, tuning: Tuning, seed: int) -> optuna.Study:
    """An empty study with the default in its queue, and the champion if the search space still holds it."""
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.BruteForceSampler(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # TPE by groups: the space has branches
        study = optuna.create_study(sampler=samplers[tuning.sampler]())
    study.enqueue_trial(DEFAULT)
    if champion and is_in_space(champion):
        study.enqueue_trial(champion)
    return study


def is_in_space(hyperparameters: dict[str, Any]) -> bool:
    """Whether today's search space asks for no more than these."""
    try:
        return search_space(optuna.trial.FixedTrial(hyperparameters)) == hyperparameters
    except ValueError:
        return False


def run_batch(
    study: optuna.Study,
    size: int,
    evaluate: Callable[[optuna.Trial, dict[str, Any]], float],
    threads: ThreadPoolExecutor,
) -> bool:
    """Ask, evaluate and tell some trials; returns whether the sampler has more to try."""
    trials = [study.ask() for _ in range(size)]
    try:
        chosen = [search_space(trial) for trial in trials]
    except ValueError as error:
        raise InputError(f"search_space in estimators.py does not suit tuning.sampler: {error}") from None
    more = True
    for trial, hyperparameters, loss in zip(trials, chosen, threads.map(evaluate, trials, chosen), strict=True):
        trial.set_user_attr("hyperparameters", hyperparameters)
        more = tell(study, trial, loss) and more
    return more


def tell(study: optuna.Study, trial: optuna.Trial, loss: float) -> bool:
    """Record the loss of a trial; returns False at the end of a grid, where its sampler calls Study.stop."""
    try:
        study.tell(trial, loss)
    except RuntimeError as error:
        if "Study.stop" not in str(error):
            raise
        return False
    return True
