"""Work is kept under what it depends on: whatever changes rebuilds that which depends on it, and nothing else."""

import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from stores import with_files

from stack.local_stack import ROOT
from tasks.core import cache_keys, provenance
from tasks.core.workspace import workspace
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot
from tasks.training.challenger import training_key
from tasks.training.split import split_rows
from tasks.training.tuning import tune_model

AS_OF, DAY = datetime(2013, 3, 16, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A copy of the code, which keys are made of from now on; call it to change a file, or to make it."""
    copy = tmp_path / "code"
    for room in ("tasks", "project"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", copy)
    monkeypatch.setattr(cache_keys, "CODE", copy)
    monkeypatch.setattr(provenance, "CODE", copy)
    cache_keys.source_hash.cache_clear()

    def change(file: str) -> None:
        (copy / file).parent.mkdir(exist_ok=True)
        with (copy / file).open("a") as text:
            text.write("\n# changed\n")
        cache_keys.source_hash.cache_clear()

    yield change
    cache_keys.source_hash.cache_clear()


@pytest.fixture
def built(snapshot, use_case, params, store, capsys):
    """Call it to build the feature frame and learn how many of how many months were built."""

    def build(version=snapshot, as_of=AS_OF, validation=params.validation) -> tuple[int, int]:
        build_feature_frame.fn(version, use_case, as_of, None, validation)
        words = capsys.readouterr().out.splitlines()[-1].split()
        return int(words[4]), int(words[2])

    return build


@pytest.fixture
def tuned(year, use_case, params, store, capsys):
    """Call it to tune and learn how many trials were kept from before."""
    sets = split_rows(year.filter(pl.col("label_time") < AS_OF), AS_OF, params.split)

    def tune(seed=1, champion=None, validation=sets.validation, **changed) -> int:
        tuning = params.tuning.model_copy(update={"n_trials": 4, "max_rows": 2000} | changed)
        tune_model.fn(use_case, sets.train, validation, champion, tuning, seed)
        return int(capsys.readouterr().out.splitlines()[-1].split("(")[1].split()[0])

    return tune


def test_nothing_changed_builds_nothing(built):
    assert [built(), built()] == [(3, 3), (0, 3)]


def test_a_line_in_the_features_the_code_that_builds_them_or_the_lock_rebuilds_every_month(built, code):
    built()
    own = ["project/late_arrivals/features.py", "project/late_arrivals/target.py", "project/contract.py"]
    for file in (*own, "tasks/data/validation.py", "requirements.txt"):
        code(file)
        assert [built(), built()] == [(3, 3), (0, 3)], file


def test_code_that_builds_no_features_rebuilds_no_month(built, code):
    built()
    for room in ("evaluation/gate", "training/estimators", "operations/artifacts", "inference/scorer", "core/params"):
        code(f"tasks/{room}.py")
    code("project/another_model/features.py")
    assert built() == (0, 3)


@pytest.mark.parametrize(
    "file", ["late_arrivals/helper.py", "late_arrivals/parts/helper.py", "shared_by_all_models.py"]
)
def test_a_helper_beside_the_features_or_the_contract_is_part_of_them(built, code, file):
    built()
    for change in ("made", "changed"):
        code(f"project/{file}")
        assert [built(), built()] == [(3, 3), (0, 3)], change


def test_what_share_of_bad_rows_is_borne_is_part_of_the_key(built, params):
    built()
    stricter = params.validation.model_copy(update={"max_bad_share": 0.001})
    assert [built(validation=stricter), built()] == [(3, 3), (0, 3)]


def test_a_new_month_rebuilds_only_itself_and_the_month_that_was_not_over(built):
    built()
    assert built(as_of=datetime(2013, 4, 16, tzinfo=UTC)) == (2, 4)


def test_a_data_version_with_another_month_and_more_weather_does_not_rebuild_the_old_ones(built, snapshot, tmp_path):
    end = datetime(2013, 3, 1, tzinfo=UTC)
    weather = pl.read_parquet(snapshot.files["weather.parquet"]).filter(pl.col("time_hour") < end)
    later = {name for name in snapshot.files if name >= "flights/2013-03" and name.startswith("flights/")}
    files = {name: path for name, path in snapshot.files.items() if name not in later}
    before = with_files(Snapshot("before", files), tmp_path, {"weather.parquet": weather})
    assert before.hash_of("weather.parquet") != snapshot.hash_of("weather.parquet")
    assert built(before, end) == (2, 2)
    assert built(as_of=end) == (1, 3)  # the new month, whose first rows are asked for two hours before it begins


def test_a_corrected_row_rebuilds_its_month_and_those_that_look_back_on_it(built, snapshot, tmp_path):
    """Months are the pieces in which flights lie, so any row of the month before is looked back on."""
    built()
    february = pl.read_parquet(snapshot.files["flights/2013-02.parquet"])
    for row in (100, february.height - 100):
        corrected = february.with_columns(
            arr_delay=pl.when(pl.int_range(pl.len()) == row).then(77).otherwise("arr_delay").cast(pl.Int16)
        )
        assert built(with_files(snapshot, tmp_path, {"flights/2013-02.parquet": corrected})) == (2, 3)


def test_corrected_weather_rebuilds_its_month_and_those_that_look_back_on_it(built, snapshot, tmp_path):
    built()
    weather = pl.read_parquet(snapshot.files["weather.parquet"]).sort("time_hour")
    for moment, rebuilt in ((datetime(2013, 1, 10, tzinfo=UTC), 1), (datetime(2013, 1, 31, tzinfo=UTC), 2)):
        there = (pl.col("time_hour") == moment) & (pl.col("origin") == "JFK")
        corrected = weather.with_columns(temp=pl.when(there).then(20.5).otherwise("temp").cast(pl.Float32))
        assert built(with_files(snapshot, tmp_path, {"weather.parquet": corrected})) == (rebuilt, 3)


def test_another_register_of_planes_rebuilds_every_month(built, snapshot, tmp_path):
    built()
    planes = pl.read_parquet(snapshot.files["planes.parquet"]).head(1000)
    assert built(with_files(snapshot, tmp_path, {"planes.parquet": planes})) == (3, 3)


def test_a_rerun_at_an_earlier_as_of_and_again_at_the_later_one_gives_each_its_own_frame(
    built, snapshot, use_case, params, store
):
    def frame(as_of: datetime) -> pl.DataFrame:
        return build_feature_frame.fn(snapshot, use_case, as_of, None, params.validation)[0]

    moments = AS_OF, datetime(2013, 2, 16, 12, 30, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)
    alone = {}
    for as_of in moments:
        alone[as_of] = frame(as_of)
        shutil.rmtree(workspace().features)
    for as_of in (*moments, *moments):
        assert_frame_equal(frame(as_of), alone[as_of])
    assert [built(as_of=as_of) for as_of in moments] == [(0, 3), (0, 2), (0, 2)]


def test_a_second_study_refits_nothing_whatever_the_workers_and_goes_on_if_more_trials_are_asked(tuned):
    assert [tuned(), tuned(), tuned(workers=1), tuned(n_trials=6), tuned(n_trials=6), tuned()] == [0, 4, 4, 4, 6, 4]


def test_whatever_a_trial_depends_on_starts_a_new_study(tuned, code, year):
    tuned()
    assert [tuned(seed=2), tuned(sampler="random"), tuned(batch=2), tuned(max_rows=1999)] == [0, 0, 0, 0]
    assert tuned(champion={"family": "linear", "C": 1.0}) == 0
    assert tuned(validation=year.tail(2000)) == 0
    for room in ("core/params", "operations/artifacts", "data/merge"):
        code(f"tasks/{room}.py")
    code("project/another_model/estimator.py")
    assert tuned() == 4
    own = ["project/late_arrivals/estimator.py", "project/shared_by_all_models.py"]
    for file in ("tasks/training/estimators.py", "tasks/evaluation/metrics.py", *own):
        code(file)
        assert tuned() == 0, file


def test_only_settings_that_matter_to_a_training_are_in_its_key(params, year, use_case, code):
    frame = year.head(1000)

    def key(section=None, rows=frame, **changed):
        update = {section: getattr(params, section).model_copy(update=changed)} if section else changed
        return training_key(use_case, rows, params.model_copy(update=update))

    same = key()
    assert key("tuning", workers=7) == key("data", timeout=DAY) == key(clock="wall") == key(store="s3://b/p") == same
    assert key("promotion", review_timeout=DAY) == same
    code("tasks/operations/artifacts.py")
    assert key() == same
    others = [key(seed=1), key("tuning", n_trials=9), key("gate", confidence=0.9), key("split", history=None, gate=DAY)]
    others += [key("promotion", mode="review"), key(rows=year.head(1001))]
    code("tasks/evaluation/gate.py")
    others.append(key())
    assert same not in others and len(set(others)) == len(others)
