"""Processes that are killed or run at once leave one whole champion, every move on record, and no trial lost."""

import multiprocessing
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import polars as pl
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from stores import check_registry, use_store

from tasks.core.errors import InputError
from tasks.registry import decision_log
from tasks.registry.versions import current_alias, find_moves

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODEL = "late-arrivals"
FIRST = datetime(2013, 3, 20, tzinfo=UTC)
KILLS = 30

processes = multiprocessing.get_context("forkserver")  # it has imported everything once and forks for each process
processes.set_forkserver_preload(["flows.train", "flows.promote", "flows.rollback"])


def small(params):
    """Params of a training that takes seconds."""
    split = params.split.model_validate(
        params.split.model_dump() | {"history": "14d", "validation": "7d", "gate": "14d"}
    )
    gate = params.gate.model_copy(update={"min_days": 10, "confidence": 0.5})
    tuning = params.tuning.model_copy(update={"n_trials": 4, "batch": 2, "max_rows": 1000})
    return params.model_copy(update={"split": split, "gate": gate, "tuning": tuning})


def work(store: Path, address: str, action: str, *arguments) -> None:
    """What a process does: an action on a store."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.promote import promote
    from flows.rollback import rollback
    from flows.train import train
    from tasks.core.params import Params
    from tasks.training.tuning import tune_model

    use_store(store)
    params = small(Params.load())
    try:
        if action == "train":
            with temporary_settings({PREFECT_API_URL: address}):
                train(*arguments, params=params)
        elif action == "tune":
            store.mkdir(exist_ok=True)
            tuning = params.tuning.model_copy(update={"n_trials": 20, "max_rows": 20_000})
            frames = (pl.read_parquet(file) for file in arguments)
            (store / "chosen").write_text(str(tune_model.fn(*frames, None, tuning, params.seed).hyperparameters))
        elif action == "record":
            decision_log.close_record(decision_log.open_record(MODEL, "training", FIRST, {"by": os.getpid()}))
        else:
            {"promote": promote, "rollback": rollback}[action].fn(*arguments, params=params)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def start(*arguments) -> multiprocessing.Process:
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def run_all(*calls) -> list[int]:
    """The exit codes of processes that start at once."""
    started = [start(*call) for call in calls]
    for process in started:
        process.join(120)
    return [process.exitcode for process in started]


def load_studies(store: Path) -> list[optuna.Study]:
    """Every study that a store keeps."""
    journals = (store / "studies").glob("*.journal")
    return [
        optuna.load_study(study_name=file.stem, storage=JournalStorage(JournalFileBackend(str(file))))
        for file in journals
    ]


def kept_trials(store: Path) -> dict[str, set[int]]:
    """The finished trials of every study in a store."""
    return {s.study_name: {trial.user_attrs["number"] for trial in s.trials} for s in load_studies(store)}


def test_thirty_kills_at_random_moments_lose_nothing(server, store):
    chance = random.Random(2013)
    longest = {}
    for call in (
        ["train", FIRST],
        ["train", FIRST + timedelta(hours=1)],
        ["promote", "2", "first"],
        ["rollback", "back"],
    ):
        begun = time.monotonic()
        run_all((store, server, *call))
        longest[call[0]] = time.monotonic() - begun
    for number in range(1, KILLS + 1):
        action = chance.choice(["train", "train", "train", "promote", "rollback"])
        versions = len(decision_log.client().search_model_versions(f"name='{MODEL}'"))
        arguments = {
            "train": [FIRST + timedelta(days=number)],
            "promote": [str(chance.randint(1, versions)), f"kill {number}"],
            "rollback": [f"kill {number}"],
        }[action]
        before, moved = kept_trials(store), len(find_moves(MODEL))
        process = start(store, server, action, *arguments)
        time.sleep(chance.uniform(0, longest[action]))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        check_registry(MODEL)
        after = kept_trials(store)
        assert all(after[study] >= trials for study, trials in before.items())
        if action == "train":
            assert run_all((store, server, action, *arguments)) == [0]
        elif len(find_moves(MODEL)) == moved:
            run_all((store, server, action, *arguments))
        check_registry(MODEL)
    intents = [record.info.status for record in decision_log.find_records(MODEL, "promotion", "rollback")]
    assert intents.count("RUNNING") <= 1  # that of the last kill: the next move closes it


def test_a_study_that_is_killed_again_and_again_ends_as_if_it_never_was(year, params, store, tmp_path):
    rows = year.filter(pl.col("event_time") < FIRST)
    frames = [tmp_path / "train.parquet", tmp_path / "validation.parquet"]
    rows.head(20_000).write_parquet(frames[0])
    rows.tail(20_000).write_parquet(frames[1])
    begun = time.monotonic()
    assert run_all((tmp_path / "whole", "", "tune", *frames)) == [0]
    longest = time.monotonic() - begun
    chance, kept = random.Random(1), set()
    for _ in range(5):
        process = start(store, "", "tune", *frames)
        process.join(chance.uniform(0.3, 0.8) * longest)
        process.kill()
        process.join()
        now = set().union(*kept_trials(store).values())
        assert now >= kept
        kept = now
    assert run_all((store, "", "tune", *frames)) == [0]
    assert (store / "chosen").read_text() == (tmp_path / "whole" / "chosen").read_text()
    assert trials_of(store) == trials_of(tmp_path / "whole")


def trials_of(store: Path) -> dict:
    """Number, hyperparameters and loss of each trial of the only study in a store."""
    (study,) = load_studies(store)
    return {trial.user_attrs["number"]: (trial.params, trial.value) for trial in study.trials}


def test_four_first_starts_and_trainings_at_once_make_one_version(server, store):
    (store / "mlflow.db").unlink()
    decision_log.client.cache_clear()
    assert run_all(*[(store, server, "record")] * 4) == [0, 0, 0, 0]
    assert len(decision_log.find_records(MODEL, "training")) == 4
    assert run_all(*[(store, server, "train", FIRST)] * 4) == [0, 0, 0, 0]
    assert [move.target for move in find_moves(MODEL)] == ["1"]
    assert len(decision_log.client().search_model_versions(f"name='{MODEL}'")) == 1
    check_registry(MODEL)


def test_two_promotions_at_once_are_two_records_in_order(server, store):
    for day in range(3):
        assert run_all((store, server, "train", FIRST + timedelta(days=day))) == [0]
    start_moves, champion = find_moves(MODEL), current_alias(MODEL)
    others = [version for version in ("1", "2", "3") if version != champion]
    codes = run_all(*((store, server, "promote", version, f"I want {version}") for version in others))
    assert codes == [0, 0]
    first, second = find_moves(MODEL)[len(start_moves) :]
    assert {first.target, second.target} == set(others)
    assert (first.origin, second.origin) == (champion, first.target)
    check_registry(MODEL)
