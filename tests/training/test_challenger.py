"""What training and the gate must reproduce on the sample (default recipe), and that nothing of it leaks or wobbles."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from project.contract import TABLES
from tasks.core.errors import InputError
from tasks.core.use_case import META
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot
from tasks.evaluation.metrics import compute_metrics
from tasks.features.table import as_known
from tasks.inference.bundle import digest_keys, load_bundle, write_bundle
from tasks.inference.scorer import Scorer
from tasks.registry.versions import Champion
from tasks.training.challenger import judge_challenger
from tasks.training.estimators import DEFAULT
from tasks.training.fit import check_parity, export_model, fit_model, to_bytes
from tasks.training.split import labelled_rows, split_rows

pytestmark = pytest.mark.sample

LINEAR = {"family": "linear", "C": 0.1}


def day(month: int) -> datetime:
    return datetime(2013, month, 1, tzinfo=UTC)


def sets_as_of(year, month, params, history=None):
    split = params.split.model_validate(params.split.model_dump() | {"history": history})
    return split_rows(year.filter(pl.col("label_time") < day(month)), day(month), split)


@pytest.fixture(scope="module")
def trained(year, use_case, params):
    """Challengers of the default recipe by (month, history), each fitted once."""
    kept = {}

    def train(month, history=None):
        if (month, history) not in kept:
            sets = sets_as_of(year, month, params, history)
            model = export_model.fn(fit_model.fn(use_case, sets.fit, DEFAULT, params.seed), sets, params.gate)
            bundle = write_bundle(model, {}, digest_keys(sets.fit), sets.gate.head(20).drop(META), {})
            kept[month, history] = sets, model, Champion(f"{month}", load_bundle(*bundle), DEFAULT)
        return kept[month, history]

    return train


def test_the_year_has_the_rows_and_late_shares_of_the_sample(year):
    assert year.height == 327_346
    late = dict(year.group_by(pl.col("event_time").dt.month()).agg(pl.col("target").mean()).iter_rows())
    assert (late[4], late[9]) == (pytest.approx(0.288, abs=0.001), pytest.approx(0.137, abs=0.001))


def test_trained_january_to_june_it_ranks_july_to_december_with_auc_075(year, use_case, params):
    fit = year.filter(pl.col("label_time") < day(7))
    later = year.filter(pl.col("event_time") >= day(7))
    model = to_bytes(fit_model.fn(use_case, fit, DEFAULT, params.seed), fit.drop(META).schema)
    measured = compute_metrics(later["target"].to_numpy(), Scorer(model).score(later), 0.5)
    assert measured["roc_auc"] >= 0.75
    assert measured["log_loss"] == pytest.approx(0.461, abs=0.004)


def test_the_first_champion_is_as_good_as_measured(trained, params):
    sets, model, _ = trained(4)
    verdict = judge_challenger.fn(model, None, sets, params.gate)
    assert verdict.decision == "promote"
    assert sets.gate.height == pytest.approx(25_135, abs=5)
    assert verdict.metrics["challenger"]["roc_auc"] == pytest.approx(0.756, abs=0.01)
    assert verdict.metrics["challenger"]["skill"] == pytest.approx(0.153, abs=0.015)


@pytest.mark.parametrize(
    ("month", "history", "champion", "decision"),
    [(6, None, 4, "promote"), (7, "31d", 6, "reject"), (8, None, 6, "promote"), (12, None, 8, "reject")],
)
def test_the_gate_decides_on_the_sample_as_measured(trained, params, month, history, champion, decision):
    sets, model, _ = trained(month, history)
    assert judge_challenger.fn(model, trained(champion)[2], sets, params.gate).decision == decision


def test_a_gate_row_that_a_model_has_seen_fails_the_run(trained, params):
    sets, model, _ = trained(6)
    with pytest.raises(InputError, match="champion version 8 has seen"):
        judge_challenger.fn(model, trained(8)[2], sets, params.gate)
    with pytest.raises(InputError, match="the challenger has seen 10 of the"):
        judge_challenger.fn(model, None, sets._replace(fit=pl.concat([sets.fit, sets.gate.head(10)])), params.gate)


def test_training_as_of_a_day_equals_training_on_data_cut_at_that_day(snapshot, use_case, params, trained, tmp_path):
    as_of = day(6)
    files = {}
    for file, path in snapshot.files.items():
        table = file.removesuffix(".parquet").split("/")[0]
        rows = pl.read_parquet(path)
        if table != "planes":
            rows = as_known(TABLES[table], rows, as_of)
        if rows.height:
            files[file] = tmp_path / "cut" / file.replace("/", "-")
            files[file].parent.mkdir(exist_ok=True)
            rows.write_parquet(files[file])
    cut, _ = build_feature_frame.fn(Snapshot("cut", files), use_case, as_of, None, params.validation)
    sets = split_rows(labelled_rows(cut), as_of, params.split)
    whole, model, _ = trained(6)
    assert_frame_equal(sets.fit, whole.fit)
    assert to_bytes(fit_model.fn(use_case, sets.fit, DEFAULT, params.seed), sets.fit.drop(META).schema) == model.model


@pytest.mark.parametrize("hyperparameters", [DEFAULT | {"max_iter": 30}, LINEAR])
@pytest.mark.slow
def test_the_same_model_in_two_processes_with_one_and_two_threads(year, use_case, params, tmp_path, hyperparameters):
    fit = year.filter(pl.col("label_time") < datetime(2013, 1, 20, tzinfo=UTC))
    fit.write_parquet(tmp_path / "fit.parquet")
    here = to_bytes(fit_model.fn(use_case, fit, hyperparameters, params.seed), fit.drop(META).schema)
    code = f"""
import hashlib, tasks, polars as pl
from tasks.core.use_case import load_use_case
from tasks.core.use_case import META
from tasks.training.fit import fit_model, to_bytes
fit = pl.read_parquet({str(tmp_path / "fit.parquet")!r})
model = fit_model.fn(load_use_case("late-arrivals"), fit, {hyperparameters!r}, {params.seed})
print(hashlib.sha256(to_bytes(model, fit.drop(META).schema)).hexdigest())
"""
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        there = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_a_pipeline_that_converts_but_predicts_wrongly_is_refused_with_what_to_change(year, params):
    features = year.head(20_000).drop(META)
    categories = ["carrier", "origin", "dest"]
    numbers = [name for name in features.columns if name not in categories]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    scaled = make_column_transformer((codes, categories), (StandardScaler(), numbers))
    model = make_pipeline(scaled, HistGradientBoostingClassifier(early_stopping=False))
    model.fit(features, year.head(20_000)["target"])
    with pytest.raises(InputError, match=r"differs from scikit-learn on .* of the gate rows.* no StandardScaler"):
        check_parity(model, Scorer(to_bytes(model, features.schema)), features, params.gate.max_onnx_mismatch)


@pytest.mark.parametrize("hyperparameters", [DEFAULT | {"max_iter": 50}, LINEAR])
def test_unseen_categories_and_nulls_score_as_in_scikit_learn(year, use_case, params, hyperparameters):
    fit = year.head(30_000)
    model = fit_model.fn(use_case, fit, hyperparameters, params.seed)
    features = (
        fit.drop(META)
        .head(500)
        .with_columns(
            dest=pl.lit("XXX"), temp=pl.lit(None, pl.Float32), carrier=pl.when(pl.int_range(500) < 50).then("carrier")
        )
    )
    scores = Scorer(to_bytes(model, features.schema)).score(features.select(sorted(features.columns)))
    assert np.abs(scores - model.predict_proba(features)[:, 1]).max() < 1e-5
