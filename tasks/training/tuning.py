"""The study: fixed ask/tell batches on threads, so that the number of workers never changes the result.

Trials are asked again in every run, which costs milliseconds; only those whose loss is in no journal are fitted. So an
interrupted study resumes and ends with the same result.
"""

import math
import os
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import optuna
import polars as pl
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from prefect import task
from threadpoolctl import threadpool_limits

from tasks.core.cache_keys import digest_rows, make_key
from tasks.core.errors import InputError, first_line
from tasks.core.params import Tuning
from tasks.core.use_case import META, UseCase
from tasks.core.workspace import workspace
from tasks.evaluation.metrics import losses
from tasks.training import estimators
from tasks.training.fit import fit_model, predict

optuna.logging.set_verbosity(optuna.logging.WARNING)

SOURCE = ("tasks/training/*.py", "tasks/evaluation/*.py")  # what the loss of a trial depends on, with the use case

Evaluate = Callable[[optuna.Trial, dict[str, Any]], float]


class Tuned(NamedTuple):
    """What a study chose."""

    hyperparameters: dict[str, Any]
    study: str | None = None  # its journal is cache/studies/STUDY.journal
    trials: int = 0
    loss: float | None = None


@task
def tune_model(
    use_case: UseCase,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    champion: dict[str, Any] | None,
    tuning: Tuning,
    seed: int,
    show_progress: Callable[[float], None] = lambda percent: None,
) -> Tuned:
    """The hyperparameters with the lowest loss on later rows than they were fitted on.

    Args:
        use_case: Whose estimator is tuned.
        train: Feature frame a trial fits on; tuning.max_rows of them at random.
        validation: Feature frame a trial is scored on.
        champion: The champion's hyperparameters, tried as trial 1; the untuned default is trial 0.
        tuning: Trials, batch, workers and sampler.
        seed: Of the subsample, the sampler and the models.
        show_progress: Told the percentage of trials that are done.
    """
    sample = train.sample(min(tuning.max_rows, train.height), seed=seed)
    matters = tuning.model_dump(include={"batch", "sampler"})
    rows = [digest_rows(sample), digest_rows(validation)]
    key = f"{use_case.model}-{make_key(*SOURCE, *use_case.code, rows=rows, champion=champion, seed=seed, **matters)}"
    journal = open_journal(key)
    known = finished_trials(journal)

    def evaluate(trial: optuna.Trial, hyperparameters: dict[str, Any]) -> float:
        if trial.number in known:
            return known[trial.number]
        model = fit_model.fn(use_case, sample, hyperparameters, seed)
        loss = float(losses(validation["target"].to_numpy(), predict(model, validation.drop(META))).mean())
        if math.isfinite(loss):
            keep_trial(journal, trial, loss)
        return loss

    estimator = use_case.estimator or estimators
    study = make_study(estimator, champion, tuning, seed)
    done = run_study(study, estimator, tuning, evaluate, known.keys(), show_progress)
    return Tuned(study.best_trial.user_attrs["hyperparameters"], key, done, study.best_value)


def run_study(
    study: optuna.Study,
    estimator: ModuleType,
    tuning: Tuning,
    evaluate: Evaluate,
    known: Collection[int],
    show_progress: Callable[[float], None],
) -> int:
    """Run batches of trials until there are enough, or the sampler has no more; returns how many there are."""
    with threadpool_limits(1), ThreadPoolExecutor(tuning.workers) as threads:
        done, more = 0, True
        while more and done < tuning.n_trials:
            size = min(tuning.batch, tuning.n_trials - done)
            more = run_batch(study, estimator, size, evaluate, threads)
            done += size
            kept = sum(number < done for number in known)
            show_progress(100 * done / tuning.n_trials if more else 100)
            print(f"tuning: {done} of {tuning.n_trials} trials ({kept} kept), {tell_best(study)}")
    if not with_loss(study):
        raise InputError(
            f"none of {done} trials has a loss, the last: {study.trials[-1].user_attrs['failure']}; mend "
            "search_space and make_model of the estimator, or the features"
        )
    return done


def with_loss(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have a loss."""
    return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def tell_best(study: optuna.Study) -> str:
    """The lowest loss so far, and how many trials have none."""
    have = len(with_loss(study))
    lost = len(study.get_trials(deepcopy=False)) - have
    best = f"lowest loss {study.best_value:.4f}" if have else "no loss yet"
    return f"{best}, {lost} failed or were pruned" if lost else best


def make_study(estimator: ModuleType, champion: dict[str, Any] | None, tuning: Tuning, seed: int) -> optuna.Study:
    """An empty study with the default in its queue, and the champion if the search space still holds it."""
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.BruteForceSampler(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # TPE by groups: the space has branches
        study = optuna.create_study(sampler=samplers[tuning.sampler]())
    study.enqueue_trial(estimator.DEFAULT)
    if champion and is_in_space(estimator, champion):
        study.enqueue_trial(champion)
    return study


def is_in_space(estimator: ModuleType, hyperparameters: dict[str, Any]) -> bool:
    """Whether today's search space asks for no more than these."""
    try:
        return estimator.search_space(optuna.trial.FixedTrial(hyperparameters)) == hyperparameters
    except (ValueError, optuna.TrialPruned):
        return False


def run_batch(
    study: optuna.Study,
    estimator: ModuleType,
    size: int,
    evaluate: Evaluate,
    threads: ThreadPoolExecutor,
) -> bool:
    """Ask, evaluate and tell some trials; returns whether the sampler has more to try."""
    trials = [study.ask() for _ in range(size)]
    chosen = [choose_hyperparameters(estimator, trial) for trial in trials]
    more = True
    for trial, loss in zip(trials, threads.map(partial(try_trial, evaluate), trials, chosen), strict=True):
        more = tell(study, trial, loss) and more
    return more


def choose_hyperparameters(estimator: ModuleType, trial: optuna.Trial) -> dict[str, Any] | None:
    """What the search space gives a trial; None if it prunes it."""
    try:
        hyperparameters = estimator.search_space(trial)
    except ValueError as error:
        raise InputError(f"search_space of the estimator does not suit tuning.sampler: {error}") from None
    except optuna.TrialPruned:
        trial.set_user_attr("failure", "pruned by search_space")
        return None
    trial.set_user_attr("hyperparameters", hyperparameters)
    return hyperparameters


def try_trial(evaluate: Evaluate, trial: optuna.Trial, hyperparameters: dict[str, Any] | None) -> float:
    """The loss of a trial; nan if it was pruned or failed, which costs that trial alone."""
    if hyperparameters is None:
        return math.nan
    try:
        loss = evaluate(trial, hyperparameters)
        failure = "" if math.isfinite(loss) else f"its loss is {loss}"
    except InputError:
        raise
    except Exception as error:  # whatever an estimator raises
        loss, failure = math.nan, f"{type(error).__name__}: {first_line(error)}"
    if failure:
        trial.set_user_attr("failure", failure)
        print(f"tuning: trial {trial.number} has no loss, {failure}")
    return loss


def tell(study: optuna.Study, trial: optuna.Trial, loss: float) -> bool:
    """Record the loss of a trial, if it has one; returns False where a grid ends and its sampler calls Study.stop."""
    try:
        study.tell(trial, loss) if math.isfinite(loss) else study.tell(trial, state=TrialState.FAIL)
    except RuntimeError as error:
        if "Study.stop" not in str(error):
            raise
        return False
    return True


def open_journal(key: str) -> optuna.Study:
    """The journal file in which the finished trials of the study `key` are kept, none lost and none run twice."""
    folder = workspace().studies
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key}.journal"
    drop_half_line(file)
    try:
        return load_journal(key, file)
    except (ValueError, KeyError):  # damaged: its trials are run again
        file.unlink()
        return load_journal(key, file)


def load_journal(key: str, file: Path) -> optuna.Study:
    """The study in a journal file, which is made if it is not there."""
    storage = JournalStorage(JournalFileBackend(str(file)))
    return optuna.create_study(study_name=key, storage=storage, load_if_exists=True)


def drop_half_line(file: Path) -> None:
    """Cut off what a full disk left of the last line; one training at a time writes a journal."""
    written = file.read_bytes() if file.is_file() else b""
    if written and not written.endswith(b"\n"):
        os.truncate(file, written.rfind(b"\n") + 1)


def finished_trials(journal: optuna.Study) -> dict[int, float]:
    """The loss of each finished trial by its number in the study."""
    return {trial.user_attrs["number"]: trial.value for trial in journal.trials if trial.value is not None}


def keep_trial(journal: optuna.Study, trial: optuna.Trial, loss: float) -> None:
    """Append a finished trial; they finish in any order."""
    finished = optuna.trial.create_trial(
        params=trial.params, distributions=trial.distributions, value=loss, user_attrs={"number": trial.number}
    )
    journal.add_trial(finished)
