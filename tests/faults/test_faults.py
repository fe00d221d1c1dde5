"""Processes that are killed or run at once leave one whole champion, every move on record, and no trial lost."""

import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import polars as pl
import pytest
from kills import State, both, die_at, processes
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from stores import check_registry, use_workspace

from tasks.core.errors import InputError
from tasks.registry.decision_log import read_log, record
from tasks.registry.entries import Claim, Judged

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODEL = "late-arrivals"
FIRST = datetime(2013, 3, 20, tzinfo=UTC)
RANDOM_KILLS = 30

INSERT = "tasks.registry.decision_log:insert_new"
MOVE = both(INSERT)
TRAINING = [
    *both("tasks.data.feature_frame:keep_partition"),
    *both(INSERT),  # of the claim
    *both("tasks.training.tuning:keep_trial"),
    *both("tasks.training.tuning:keep_trial", 3),
    State("tasks.training.tuning:keep_trial", 4, "after"),
    *both("tasks.training.challenger:write_bundle"),
    State("tasks.core.store:Store.put", 2),  # the bundle has one file, and no card yet
    *both(INSERT, 2),  # of the verdict
    *both("tasks.registry.tracking:prepare_database"),
    *both("tasks.registry.tracking:Mirror._register"),
]


def small(params):
    """Params of a training that takes seconds."""
    split = params.split.model_validate(
        params.split.model_dump() | {"history": "14d", "validation": "7d", "gate": "14d"}
    )
    gate = params.gate.model_copy(update={"min_days": 10, "confidence": 0.5})
    tuning = params.tuning.model_copy(update={"n_trials": 4, "batch": 2, "max_rows": 1000})
    return params.model_copy(update={"split": split, "gate": gate, "tuning": tuning})


def work(death: State | None, folder: Path, address: str, action: str, *arguments) -> None:
    """What a process does: an action in a workspace, to its end or to its death."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.promote import promote
    from flows.rollback import rollback
    from flows.train import train
    from tasks.core.params import Params
    from tasks.core.use_case import load_use_case
    from tasks.training.tuning import tune_model

    use_workspace(folder)
    params = small(Params.load())
    if death:
        die_at(death)
    try:
        if action == "train":
            with temporary_settings({PREFECT_API_URL: address}):
                train(*arguments, params=params)
        elif action == "tune":
            tuning = params.tuning.model_copy(update={"n_trials": 20, "max_rows": 20_000})
            frames = (pl.read_parquet(file) for file in arguments)
            tuned = tune_model.fn(load_use_case(MODEL), *frames, None, tuning, params.seed)
            (folder / "chosen").write_text(str(tuned.hyperparameters))
        elif action == "record":
            record(MODEL, Claim(work="training", as_of=FIRST))
        else:
            {"promote": promote, "rollback": rollback}[action].fn(*arguments, params=params)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def start(*arguments) -> processes.Process:
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def run_all(*calls) -> list[int]:
    """The exit codes of processes that start at once."""
    started = [start(None, *call) for call in calls]
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def kill_at(death: State, *call) -> None:
    """Let a process work until it gets to a state, which it does, and dies there."""
    process = start(death, *call)
    process.join()
    assert process.exitcode == -signal.SIGKILL, death


def load_studies(folder: Path) -> list[optuna.Study]:
    """Every study that a workspace keeps."""
    journals = (folder / "cache" / "studies").glob("*.journal")
    return [
        optuna.load_study(study_name=file.stem, storage=JournalStorage(JournalFileBackend(str(file))))
        for file in journals
    ]


def kept_trials(folder: Path) -> dict[str, set[int]]:
    """The finished trials of every study in a workspace."""
    return {s.study_name: {trial.user_attrs["number"] for trial in s.trials} for s in load_studies(folder)}


def count_versions() -> int:
    return len(read_log(MODEL).versions)


def check_trained(folder: Path, before: dict[str, set[int]], as_of: datetime) -> None:
    """No trial was lost, none is missing, and there is one finished training for this time."""
    after = kept_trials(folder)
    assert all(after[study] >= trials for study, trials in before.items())
    assert {study: trials for study, trials in after.items() if trials != set(range(4))} == {}
    assert [entry.as_of for entry in read_log(MODEL).of(Judged)].count(as_of) == 1


@pytest.mark.parametrize("states", [TRAINING[:10], TRAINING[10:]], ids=["until it is recorded", "from then on"])
def test_a_training_that_is_killed_at_any_state_loses_nothing_and_the_next_one_makes_its_version(
    server, own_workspace, states
):
    assert run_all((own_workspace, server, "train", FIRST)) == [0]
    for number, state in enumerate(states, 1):
        call = own_workspace, server, "train", FIRST + timedelta(days=number)
        before = kept_trials(own_workspace)
        kill_at(state, *call)
        check_registry(MODEL)
        assert all(kept_trials(own_workspace)[study] >= trials for study, trials in before.items())
        before = kept_trials(own_workspace)
        assert run_all(call) == [0]
        check_registry(MODEL)
        check_trained(own_workspace, before, call[-1])


def test_a_move_that_is_killed_at_any_state_happened_or_did_not(server, own_workspace):
    for day in range(3):
        assert run_all((own_workspace, server, "train", FIRST + timedelta(days=day))) == [0]
    for number, state in enumerate(MOVE):
        for action in ("promote", "rollback"):
            before = read_log(MODEL)
            other = next(version for version in "123" if version != before.champion())
            call = own_workspace, server, action, *([other] if action == "promote" else []), f"{action} {number}"
            target = other if action == "promote" else before.predecessor()
            kill_at(state, *call)
            check_registry(MODEL)
            done = state.when == "after"
            assert read_log(MODEL).champion() == (target if done else before.champion())
            assert len(read_log(MODEL).moves) == len(before.moves) + done
            if not done:
                assert run_all(call) == [0]
                check_registry(MODEL)
                assert read_log(MODEL).champion() == target


@pytest.mark.chaos
def test_thirty_kills_at_random_moments_lose_nothing(server, own_workspace):
    chance = random.Random(2013)
    for day in range(2):
        assert run_all((own_workspace, server, "train", FIRST + timedelta(hours=day))) == [0]
    run_all((own_workspace, server, "promote", "2", "first"))
    for number in range(1, RANDOM_KILLS + 1):
        action = chance.choice(["train", "train", "train", "promote", "rollback"])
        arguments = {
            "train": [FIRST + timedelta(days=number)],
            "promote": [str(chance.randint(1, count_versions())), f"kill {number}"],
            "rollback": [f"kill {number}"],
        }[action]
        before, moved = kept_trials(own_workspace), len(read_log(MODEL).moves)
        process = start(None, own_workspace, server, action, *arguments)
        process.join(chance.uniform(0, 8 if action == "train" else 2))
        process.kill()
        process.join()
        check_registry(MODEL)
        assert all(kept_trials(own_workspace)[study] >= trials for study, trials in before.items())
        if action == "train":
            assert run_all((own_workspace, server, action, *arguments)) == [0]
            check_trained(own_workspace, before, arguments[0])
        elif len(read_log(MODEL).moves) == moved:
            run_all((own_workspace, server, action, *arguments))
        check_registry(MODEL)


def test_a_study_that_is_killed_again_and_again_ends_as_if_it_never_was(year, own_workspace, tmp_path):
    rows = year.filter(pl.col("event_time") < FIRST)
    frames = [tmp_path / "train.parquet", tmp_path / "validation.parquet"]
    rows.head(20_000).write_parquet(frames[0])
    rows.tail(20_000).write_parquet(frames[1])
    assert run_all((own_workspace, "", "tune", *frames)) == [0]
    chosen, whole = (own_workspace / "chosen").read_text(), trials_of(own_workspace)
    (study,) = (own_workspace / "cache" / "studies").iterdir()
    study.unlink()
    (own_workspace / "chosen").unlink()
    kept: set[int] = set()
    for state in (
        State("tasks.training.tuning:keep_trial", 3, "after"),
        State("tasks.training.tuning:keep_trial", 1, "before"),
        State("tasks.training.tuning:keep_trial", 5, "after"),
        State("tasks.training.tuning:keep_trial", 4, "before"),
        State("tasks.training.tuning:keep_trial", 2, "after"),
    ):
        kill_at(state, own_workspace, "", "tune", *frames)
        now = set().union(*kept_trials(own_workspace).values())
        assert now >= kept and (state.when == "before" or len(now) >= len(kept) + state.call)
        kept = now
    assert run_all((own_workspace, "", "tune", *frames)) == [0]
    assert (own_workspace / "chosen").read_text() == chosen
    assert trials_of(own_workspace) == whole


def trials_of(folder: Path) -> dict:
    """Number, hyperparameters and loss of each trial of the only study in a workspace."""
    (study,) = load_studies(folder)
    return {trial.user_attrs["number"]: (trial.params, trial.value) for trial in study.trials}


def test_four_first_starts_and_trainings_at_once_make_one_version(server, own_workspace):
    assert run_all(*[(own_workspace, server, "record")] * 4) == [0, 0, 0, 0]
    assert len(read_log(MODEL).of(Claim)) == 4
    assert run_all(*[(own_workspace, server, "train", FIRST)] * 4) == [0, 0, 0, 0]
    assert [move.version for move in read_log(MODEL).moves] == ["1"]
    assert count_versions() == 1
    check_registry(MODEL)


def test_two_promotions_at_once_are_two_records_in_order(server, own_workspace):
    for day in range(3):
        assert run_all((own_workspace, server, "train", FIRST + timedelta(days=day))) == [0]
    before = read_log(MODEL)
    others = [version for version in ("1", "2", "3") if version != before.champion()]
    codes = run_all(*((own_workspace, server, "promote", version, f"I want {version}") for version in others))
    assert codes == [0, 0]
    first, second = read_log(MODEL).moves[len(before.moves) :]
    assert {first.version, second.version} == set(others)
    assert (first.replaces, second.replaces) == (before.champion(), first.version)
    check_registry(MODEL)
