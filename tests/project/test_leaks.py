"""Nothing that became known too late reaches a feature, a model or a verdict; and this bench can see leaks."""

import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from project.contract import TABLES
from project.late_arrivals.target import PREDICTION_TIME
from tasks.core.use_case import META
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot
from tasks.evaluation.metrics import compute_metrics
from tasks.features.index import Index
from tasks.inference.scorer import Scorer
from tasks.training.challenger import judge_challenger
from tasks.training.estimators import DEFAULT
from tasks.training.fit import fit_model, to_bytes
from tasks.training.split import labelled_rows, split_rows
from tasks.training.tuning import tune_model

KNOWN = {
    "flights": pl.coalesce(TABLES["flights"].outcomes_known_at, PREDICTION_TIME),
    "weather": TABLES["weather"].known_at,
}


NOWHERE = pl.lit(value=False)


def poison(rows: pl.DataFrame, known: pl.Expr, random: np.random.Generator, there: pl.Expr = NOWHERE) -> pl.DataFrame:
    """Rows of which those that meet `known` have other values and, if they are not there, are lost or come twice."""
    told = [
        name for name, kind in rows.schema.items() if name in {"arr_delay", "dep_delay", "air_time"} or kind.is_float()
    ]
    touched = rows.filter(known)
    noise = {name: pl.Series(random.integers(0, 600, touched.height)) for name in told}
    noisy = touched.with_columns(
        (pl.col(name).fill_null(0) + noise[name]).cast(rows.schema[name]).alias(name) for name in told
    )
    new = noisy.filter(~there)
    drawn = new[random.integers(0, new.height, new.height)] if new.height else new
    return pl.concat([rows.filter(known.not_() | known.is_null()), noisy.filter(there), drawn])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 47_000), seed=st.integers(0, 2**32 - 1), unseen=st.booleans())
def test_no_value_known_at_the_prediction_time_or_later_changes_a_feature(tables, use_case, row, seed, unseen):
    asked = tables["flights"][row]
    if unseen:
        asked = asked.with_columns(dest=pl.lit("QQQ"), tailnum=pl.lit(None, pl.String))
    at = asked.select(PREDICTION_TIME).item()
    near = {
        name: tables[name].filter(time > at - use_case.reach.before, time < at + timedelta(days=2))
        for name, time in KNOWN.items()
    }
    random = np.random.default_rng(seed)
    later = {name: poison(rows, KNOWN[name] >= at, random) for name, rows in near.items()}
    planes = {"planes": tables["planes"]}
    plain = use_case.build_features(asked, Index(use_case.tables, near | planes))
    assert_frame_equal(plain, use_case.build_features(asked, Index(use_case.tables, later | planes)))


def test_values_known_just_before_the_prediction_time_do_change_features(tables, use_case):
    asked = tables["flights"].filter(pl.col("month") == 2).sample(30, seed=3)
    for row in asked.iter_slices(1):
        at = row.select(PREDICTION_TIME).item()
        random = np.random.default_rng(0)
        just_before = {
            name: poison(tables[name], (time < at) & (time >= at - timedelta(hours=24)), random)
            for name, time in KNOWN.items()
        }
        changed = use_case.build_features(row, Index(use_case.tables, tables | just_before))
        assert not changed.equals(use_case.build_features(row, Index(use_case.tables, tables)))


@pytest.mark.sample
def test_poisoning_all_that_is_known_after_as_of_changes_no_bit_of_the_model_nor_its_verdict(
    snapshot, use_case, params, tmp_path, own_workspace
):
    as_of = datetime(2013, 3, 16, tzinfo=UTC)
    random = np.random.default_rng(5)
    files = dict(snapshot.files)
    for file, path in snapshot.files.items():
        table = file.removesuffix(".parquet").split("/")[0]
        if table in KNOWN:
            files[file] = tmp_path / "poisoned" / file.replace("/", "-")
            files[file].parent.mkdir(exist_ok=True)
            asked = as_of > PREDICTION_TIME if table == "flights" else NOWHERE
            poison(pl.read_parquet(path), KNOWN[table] >= as_of, random, asked).write_parquet(files[file])

    tuning = params.tuning.model_copy(update={"n_trials": 3, "max_rows": 3000})
    outcomes = []
    for version in (snapshot, Snapshot("poisoned", files)):
        shutil.rmtree(own_workspace / "cache", ignore_errors=True)
        frame, _ = build_feature_frame.fn(version, use_case, as_of, None, params.validation)
        sets = split_rows(labelled_rows(frame), as_of, params.split)
        chosen = tune_model.fn(use_case, sets.train, sets.validation, None, tuning, params.seed).hyperparameters
        model = to_bytes(fit_model.fn(use_case, sets.fit, chosen, params.seed), sets.fit.drop(META).schema)
        outcomes.append((model, judge_challenger.fn(Scorer(model), None, sets, params.gate)))
    assert outcomes[0] == outcomes[1]


@pytest.fixture(scope="module")
def bench(year, use_case, snapshot):
    """The feature frame with the columns that a careless author might add, and the AUC of a model on some of them."""
    flights = pl.concat(pl.read_parquet(path) for file, path in snapshot.files.items() if file.startswith("flights/"))
    weather = pl.read_parquet(snapshot.files["weather.parquet"])
    raw = flights.select(
        key=pl.struct(use_case.key), outcome="dep_delay", aloft="air_time", tail="tailnum", number="flight"
    )
    hour = weather.select(
        "origin", "time_hour", *(pl.col(c).alias(f"{c}_now") for c in ("temp", "wind_speed", "precip", "visib"))
    )
    frame = (
        year.join(raw, on="key", how="left", maintain_order="left")
        .with_columns(time_hour=pl.col("event_time").dt.truncate("1h"))
        .join(hour, on=["origin", "time_hour"], how="left", maintain_order="left")
        .with_columns(
            tail_rate=pl.col("target").mean().over("tail"),
            number_rate=pl.col("target").mean().over("carrier", "number"),
            day_rate=pl.col("target").mean().over(pl.col("event_time").dt.date()),
        )
    )
    half = datetime(2013, 7, 1, tzinfo=UTC)
    by_time = (frame["label_time"] < half, frame["event_time"] >= half)
    at_random = pl.Series(np.random.default_rng(1).random(frame.height) < 0.5)
    features = year.drop(META).columns

    def auc(*columns: str, random_split: bool = False) -> float:
        fit, test = (at_random, ~at_random) if random_split else by_time
        chosen = frame.select(*META, *features, *(pl.col(c).cast(pl.Float32) for c in columns))
        rows = chosen.filter(fit).sample(40_000, seed=1)
        model = to_bytes(fit_model.fn(use_case, rows, DEFAULT, 0), rows.drop(META).schema)
        later = chosen.filter(test)
        return compute_metrics(later["target"].to_numpy(), Scorer(model).score(later), 0.5)["roc_auc"]

    return auc


@pytest.mark.slow
def test_planted_leaks_move_the_score_as_measured(bench):
    honest = bench()
    gains = {
        "dep_delay": bench("outcome") - honest,
        "air_time": bench("aloft") - honest,
        "same-hour weather": bench("temp_now", "wind_speed_now", "precip_now", "visib_now") - honest,
        "full-year target encoding": bench("tail_rate", "number_rate") - honest,
        "day mean of the target": bench("day_rate") - honest,
        "random split": bench(random_split=True) - honest,
    }
    print(honest, gains)
    least = {
        "dep_delay": 0.12,
        "air_time": 0.01,
        "same-hour weather": 0.003,
        "full-year target encoding": 0.01,
        "day mean of the target": 0.02,
        "random split": 0.01,
    }
    assert honest == pytest.approx(0.75, abs=0.012)
    assert {name for name in gains if gains[name] < least[name]} == set()
