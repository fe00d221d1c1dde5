"""Hundreds of racing moves and scorings, some of them killed, in one folder and by two machines on one S3 store."""

import os
import random
from datetime import UTC, datetime

import pytest
from kills import State, die_at, processes
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.core.tables import read_rows
from tasks.inference.prediction_log import PREDICTIONS, score_rows
from tasks.inference.scorer import Scorer
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.registry.verify import verify_record

pytestmark = pytest.mark.prove

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)
MOVES, SCORINGS, KILLED = 200, 200, 12  # by two processes together; so many more die at a state of their work
STATES = [
    State(f"tasks.{function}", call, when)
    for function in ("registry.decision_log:insert_new", "registry.versions:load_bundle", "core.tables:compact")
    for call, when in ((1, "before"), (1, "after"), (3, "before"), (5, "after"))
]


def move_often(environment, folder, seed: int, count: int, death: State | None) -> None:
    begin(environment, folder, death)
    chance = random.Random(seed)
    for number in range(count):
        try:
            if chance.random() < 0.3:
                roll_back(MODEL, f"{seed} {number}", "data")
            else:
                promote_by_hand(MODEL, chance.choice("123"), f"{seed} {number}", "data")
        except InputError:
            pass  # it is champion already, or there is nothing to roll back to


def score_often(environment, folder, seed: int, count: int, death: State | None, model: bytes, rows) -> None:
    begin(environment, folder, death)
    chance, scorer = random.Random(seed), Scorer(model)
    for _ in range(count):
        some = rows.slice(chance.randrange(rows.height), 40)
        score_rows(MODEL, some, scorer, str(seed), None, "data", JUNE)


def begin(environment, folder, death: State | None) -> None:
    os.environ.update(environment)
    use_workspace(folder)
    if death:
        die_at(death)


def run_all(calls) -> list[int | None]:
    started = [processes.Process(target=work, args=arguments) for work, *arguments in calls]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


@pytest.fixture(params=["one folder", "S3"])
def folders(request, two_workspaces):
    """Where the two processes work."""
    if request.param == "S3":
        request.getfixturevalue("s3_store")
        return two_workspaces
    return [two_workspaces[1], two_workspaces[1]]


def test_racing_moves_leave_a_whole_log_and_one_champion(folders, make_versions):
    use_workspace(folders[0])
    make_versions()
    environment = dict(os.environ)
    half = MOVES // 2
    calls = [(move_often, environment, folder, seed, half, None) for seed, folder in enumerate(folders)]
    deaths = random.Random(7).choices(STATES, k=KILLED)
    doomed = [(move_often, environment, folders[n % 2], 9 + n, 9, death) for n, death in enumerate(deaths)]
    assert run_all(calls) == [0, 0]
    for pair in zip(doomed[::2], doomed[1::2], strict=True):
        run_all(pair)
        assert verify_record(MODEL) == []
    for folder in folders:
        use_workspace(folder)
        log = read_log(MODEL)
        assert verify_record(MODEL) == [] and len(log.moves) > MOVES / 4
        assert [move.replaces for move in log.moves] == [None, *(move.version for move in log.moves)][: len(log.moves)]
        promote_by_hand(MODEL, next(v for v in "123" if v != log.champion()), "nothing is wedged", "data")


def test_racing_scorings_score_each_row_once(folders, tiny_model, year):
    rows, environment = year.head(2_000), dict(os.environ)
    given = tiny_model[0], rows
    half = SCORINGS // 2
    calls = [(score_often, environment, folder, seed, half, None, *given) for seed, folder in enumerate(folders)]
    insert = "tasks.inference.prediction_log:insert_new"
    deaths = [State(insert, call, when) for call in (1, 2, 5) for when in ("before", "after")]
    doomed = [(score_often, environment, folders[n % 2], 9 + n, 9, death, *given) for n, death in enumerate(deaths)]
    assert run_all([*calls, *doomed])[:2] == [0, 0]
    use_workspace(folders[0])
    scored = read_rows(PREDICTIONS)
    assert scored["key"].is_unique().all() and scored.height > 1_500
    assert score_rows(MODEL, rows, Scorer(given[0]), "9", None, "data", JUNE) == rows.height - scored.height
