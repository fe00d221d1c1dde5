"""What scikit-learn fits is what the ONNX file predicts, value for value."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from tasks.inference.scorer import Scorer
from tasks.training.estimators import DEFAULT
from tasks.training.fit import fit_model, predict, to_bytes

RANDOM = np.random.default_rng(0)


def frame(rows: int, target: pl.Series, **columns) -> pl.DataFrame:
    """A feature frame of columns made up for the purpose."""
    times = dict.fromkeys(("key", "event_time", "label_time", "watched"), range(rows))
    return pl.DataFrame(times).with_columns(target=target, **columns)


@pytest.mark.parametrize("kind", [pl.Boolean, pl.Float64])
def test_a_value_next_to_a_threshold_goes_the_same_way(use_case, kind):
    hundredths = RANDOM.choice([x for x in range(40) if x != 18], 5000)  # the threshold of 18 is half-way from 17 to 19
    late = pl.Series(hundredths > 18).cast(kind)
    fit = frame(5000, late, precip=pl.Series(hundredths / 100, dtype=pl.Float32))
    model = fit_model.fn(use_case, fit, DEFAULT | {"max_iter": 5}, 0)
    asked = pl.DataFrame({"precip": [x / 100 for x in range(40)]}, schema={"precip": pl.Float32})
    scores = Scorer(to_bytes(model, asked.schema)).score(asked)
    assert np.abs(scores - predict(model, asked)).max() < 1e-6


@pytest.mark.parametrize("hyperparameters", [DEFAULT | {"max_iter": 5}, {"family": "linear", "C": 1.0}])
@pytest.mark.parametrize("columns", [["place"], ["x"], ["place", "x"]])
@pytest.mark.parametrize("kind", [pl.Boolean, pl.Float64])
def test_frames_with_only_categories_or_only_numbers_are_served_too(use_case, hyperparameters, columns, kind):
    values = {"place": pl.Series(RANDOM.choice(["a", "b", "c"], 500)), "x": pl.Series(RANDOM.normal(size=500))}
    chosen = {name: values[name].cast(pl.String if name == "place" else pl.Float32) for name in columns}
    fit = frame(500, pl.Series(RANDOM.random(500) < 0.4).cast(kind), **chosen)
    model = fit_model.fn(use_case, fit, hyperparameters, 0)
    features = fit.select(columns)
    scores = Scorer(to_bytes(model, features.schema)).score(features)
    assert np.abs(scores - predict(model, features)).max() < 1e-5


def test_scoring_leaves_nothing_in_the_home_folder_as_onnxruntimes_telemetry_would(tiny_model, tmp_path):
    model, home = tmp_path / "model.onnx", tmp_path / "home"
    model.write_bytes(tiny_model[0])
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    code = (
        "import sys, pathlib; from tasks.inference.scorer import Scorer as S; S(pathlib.Path(sys.argv[1]).read_bytes())"
    )
    subprocess.run([sys.executable, "-c", code, model], env=environment | {"HOME": str(home)}, check=True)
    assert list(home.rglob("*")) == []
