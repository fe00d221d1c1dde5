"""The rows of a file are scored in their order, whatever stops the run, and bad ones keep no other from a score."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from kills import both, die_at, processes
from stores import use_workspace

from flows.predict import predict_file
from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import read_table
from tasks.inference.prediction_log import key_text
from tasks.operations import bulk
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand
from tasks.registry.versions import load_version

MODEL = "late-arrivals"
START, END = datetime(2013, 10, 1, tzinfo=UTC), datetime(2013, 12, 1, tzinfo=UTC)
STATES = [*both("tasks.operations.bulk:keep_part", 3), *both("tasks.operations.bulk:write_target")]


@pytest.fixture
def flights(versions, snapshot, use_case):
    """Two months of flights without their outcomes; version 1 is champion."""
    promote_by_hand(MODEL, "1", "the first", "data")
    return read_table(snapshot, use_case, "flights", START, END).drop(use_case.predicted.outcomes)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 10_000)


def score(source: Path, target: Path) -> pl.DataFrame:
    predict_file(str(source), str(target), None, None, Params.load(MODEL))
    return pl.read_parquet(target)


def test_a_file_scores_as_a_batch_does_in_the_order_of_its_rows(
    flights, small_parts, tmp_path, snapshot, use_case, params
):
    frame, _ = build_feature_frame.fn(snapshot, use_case, datetime(2014, 1, 1, tzinfo=UTC), START, params.validation)
    scores = load_version(read_log(MODEL), "1").scorer.score(frame)
    expected = pl.DataFrame({"key": key_text(frame), "expected": scores})
    rows = flights.sample(fraction=1, shuffle=True, seed=1)
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=7_000)
    made = score(tmp_path / "rows.parquet", tmp_path / "scores.parquet")
    assert made.select(use_case.key).equals(rows.select(use_case.key))
    assert made["version"].unique().to_list() == ["1"] and made["broken_rules"].null_count() == rows.height
    keyed = made.with_columns(key=key_text(made.select(key=pl.struct(use_case.key))))
    compared = keyed.join(expected, on="key")
    assert compared.height == rows.height and np.abs(compared["score"] - compared["expected"]).max() == 0
    assert list((tmp_path / "cache").glob("bulk/*")) == []


def test_a_folder_of_files_and_a_bucket_serve_as_well(flights, tmp_path, s3_store):
    (tmp_path / "rows").mkdir()
    for number, part in enumerate(flights.head(3_000).iter_slices(1_000)):
        part.write_parquet(tmp_path / "rows" / f"{number}.parquet")
    s3_store.put(str(tmp_path / "rows"), "shared/rows", recursive=True)
    predict_file("s3://shared/rows", "s3://shared/scores.parquet", None, None, Params.load(MODEL))
    s3_store.get("shared/scores.parquet", str(tmp_path / "there.parquet"))
    here = score(tmp_path / "rows", tmp_path / "here.parquet")
    assert here.height == 3_000 and here.equals(pl.read_parquet(tmp_path / "there.parquet"))


def test_bad_rows_have_no_score_and_say_why(flights, tmp_path):
    far = pl.when(pl.int_range(pl.len()) < 5).then(-1).otherwise("distance").cast(pl.Int16)
    rows = flights.head(100).with_columns(distance=far)
    pl.concat([rows, rows.tail(1)]).write_parquet(tmp_path / "rows.parquet")
    made = score(tmp_path / "rows.parquet", tmp_path / "scores.parquet")
    assert made.height == 101 and made["score"].null_count() == 6
    assert made["broken_rules"].head(5).to_list() == ["distance|min"] * 5
    assert "double" in made["broken_rules"][-1]


def work(folder: Path, source: Path, target: Path, state) -> None:
    use_workspace(folder)
    bulk.AT_ONCE = 10_000
    die_at(state) if state else None
    predict_file(str(source), str(target), None, None, Params.load(MODEL))


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.when} {state.function.partition(':')[2]}")
def test_a_run_that_was_killed_goes_on_where_it_was(state, flights, small_parts, own_workspace, tmp_path, capsys):
    flights.write_parquet(tmp_path / "rows.parquet")
    process = processes.Process(
        target=work, args=(own_workspace, tmp_path / "rows.parquet", tmp_path / "scores.parquet", state)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    made = score(tmp_path / "rows.parquet", tmp_path / "scores.parquet")
    assert "goes on after" in capsys.readouterr().out
    assert made.height == flights.height and not made["score"].null_count()
    assert made["flight"].equals(flights["flight"])


@pytest.mark.parametrize("content", [b"nonsense", None])
def test_what_cannot_be_read_is_one_sentence(content, flights, tmp_path):
    if content:
        (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"rows.parquet cannot be read as parquet"):
        score(tmp_path / "rows.parquet", tmp_path / "scores.parquet")


def test_a_column_that_is_missing_is_named(flights, tmp_path):
    flights.drop("origin").write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=r"lacks the column 'origin'"):
        score(tmp_path / "rows.parquet", tmp_path / "scores.parquet")
