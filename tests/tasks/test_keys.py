"""Work is kept under what it depends on: whatever changes rebuilds that which depends on it, and nothing else."""

import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from stack.local_stack import ROOT
from tasks.core import cache_keys as keys
from tasks.core import provenance as lineage
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot
from tasks.monitoring.rounds import training_key
from tasks.training.split import split_rows
from tasks.training.tuning import tune_model

AS_OF, DAY = datetime(2013, 3, 16, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A copy of the code, which keys are made of from now on; call it to change a file."""
    copy = tmp_path / "code"
    for room in ("tasks", "project"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", copy)
    monkeypatch.setattr(keys, "CODE", copy)
    monkeypatch.setattr(lineage, "CODE", copy)
    keys.code_hash.cache_clear()

    def change(file: str) -> None:
        with (copy / file).open("a") as text:
            text.write("\n# changed\n")
        keys.code_hash.cache_clear()

    yield change
    keys.code_hash.cache_clear()


@pytest.fixture
def built(snapshot, params, store, capsys):
    """Call it to build the feature frame and learn how many of how many months were built."""

    def build(version=snapshot, as_of=AS_OF, validation=params.validation) -> tuple[int, int]:
        build_feature_frame.fn(version, as_of, None, validation)
        words = capsys.readouterr().out.split()
        return int(words[3]), int(words[1])

    return build


@pytest.fixture
def tuned(year, params, store, capsys):
    """Call it to tune and learn how many trials were kept from before."""
    sets = split_rows(year.filter(pl.col("known_at") < AS_OF), AS_OF, params.split)

    def tune(seed=1, champion=None, validation=sets.validation, **changed) -> int:
        tuning = params.tuning.model_copy(update={"n_trials": 4, "max_rows": 2000} | changed)
        tune_model.fn(sets.train, validation, champion, tuning, seed)
        return int(capsys.readouterr().out.splitlines()[-1].split("(")[1].split()[0])

    return tune


def test_nothing_changed_builds_nothing(built):
    assert [built(), built()] == [(3, 3), (0, 3)]


def test_a_line_in_the_features_or_the_lock_rebuilds_every_month(built, code):
    built()
    for file in ("project/late_arrivals/features.py", "project/contract.py", "requirements.txt"):
        code(file)
        assert [built(), built()] == [(3, 3), (0, 3)], file


def test_code_that_builds_no_features_rebuilds_no_month(built, code):
    built()
    for file in ("tasks/evaluation/gate.py", "tasks/training/estimators.py", "tasks/operations/artifacts.py"):
        code(file)
    assert built() == (0, 3)


def test_a_helper_that_the_features_import_is_part_of_them(built, code):
    built()
    helper = keys.CODE / "project" / "late_arrivals" / "helper.py"
    helper.write_text("WINDOW = 3\n")
    features = keys.CODE / "project" / "late_arrivals" / "features.py"
    features.write_text("from tasks.helper import WINDOW\n" + features.read_text())
    keys.code_hash.cache_clear()
    assert built() == (3, 3)
    code("project/late_arrivals/helper.py")
    assert built() == (3, 3)


def test_a_new_month_rebuilds_only_itself_and_the_month_that_was_not_over(built):
    built()
    assert built(as_of=datetime(2013, 4, 16, tzinfo=UTC)) == (2, 4)


def test_a_data_version_with_another_month_does_not_rebuild_the_old_ones(built, snapshot, tmp_path):
    end = datetime(2013, 3, 1, tzinfo=UTC)
    weather = pl.read_parquet(snapshot.files["weather.parquet"])
    weather.filter(pl.col("time_hour") < end).write_parquet(tmp_path / "weather.parquet")
    later = {name for name in snapshot.files if name >= "flights/2013-03" and name.startswith("flights/")}
    files = {name: path for name, path in snapshot.files.items() if name not in later}
    assert built(Snapshot("before", files | {"weather.parquet": tmp_path / "weather.parquet"}), end) == (2, 2)
    assert built(as_of=end) == (0, 2)


def test_a_corrected_row_rebuilds_its_month_and_those_that_look_back_on_it(built, snapshot, tmp_path):
    built()
    january = pl.read_parquet(snapshot.files["flights/2013-01.parquet"])
    early = pl.int_range(pl.len()) == 100
    late = pl.int_range(pl.len()) == january.height - 100
    for row, rebuilt in ((early, 1), (late, 2)):
        corrected = january.with_columns(arr_delay=pl.when(row).then(77).otherwise("arr_delay").cast(pl.Int16))
        corrected.write_parquet(tmp_path / "january.parquet")
        version = Snapshot("corrected", snapshot.files | {"flights/2013-01.parquet": tmp_path / "january.parquet"})
        assert built(version) == (rebuilt, 3)


def test_a_second_study_refits_nothing_whatever_the_workers_and_goes_on_if_more_trials_are_asked(tuned):
    assert [tuned(), tuned(), tuned(workers=1), tuned(n_trials=6), tuned(n_trials=6), tuned()] == [0, 4, 4, 4, 6, 4]


def test_whatever_a_trial_depends_on_starts_a_new_study(tuned, code, year):
    tuned()
    assert [tuned(seed=2), tuned(sampler="random"), tuned(batch=2), tuned(max_rows=1999)] == [0, 0, 0, 0]
    assert tuned(champion={"family": "linear", "C": 1.0}) == 0
    assert tuned(validation=year.tail(2000)) == 0
    code("tasks/evaluation/gate.py")
    assert tuned() == 4
    code("tasks/training/estimators.py")
    assert tuned() == 0


def test_only_settings_that_matter_to_a_training_are_in_its_key(params, year, code):
    frame = year.head(1000)

    def key(section=None, **changed):
        update = {section: getattr(params, section).model_copy(update=changed)} if section else changed
        return training_key(frame, params.model_copy(update=update))

    same = training_key(frame, params)
    assert key("tuning", workers=7) == key("data", deadline=DAY) == key(clock="wall") == same
    assert key("promotion", patience=DAY) == same
    others = [key(seed=1), key("tuning", n_trials=9), key("gate", confidence=0.9), key("split", history=None, gate=DAY)]
    others += [key("promotion", mode="review"), training_key(year.head(1001), params)]
    code("tasks/evaluation/gate.py")
    others.append(key())
    assert same not in others and len(set(others)) == len(others)
