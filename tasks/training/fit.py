"""Fitting a model, and the ONNX file that predicts the same.

A model that does not convert: replace `to_bytes` here and `Scorer` of inference (docs/how-to/estimator.md).
"""

from typing import Any

import numpy as np
import polars as pl
from prefect import task
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tasks.core.errors import InputError, first_line
from tasks.core.params import Gate
from tasks.core.use_case import META, UseCase
from tasks.inference.scorer import Scorer
from tasks.training import estimators
from tasks.training.split import Sets


@task
def fit_model(use_case: UseCase, frame: pl.DataFrame, hyperparameters: dict[str, Any], seed: int) -> Pipeline:
    """A model fitted on a feature frame, on one thread: more would change the bits of linear models."""
    features, estimator = frame.drop(META), use_case.estimator or estimators
    with threadpool_limits(1):
        model = estimator.make_model(hyperparameters, features.schema, frame["target"].dtype, seed)
        return model.fit(features, frame["target"])


def predict(model: Pipeline, features: pl.DataFrame) -> np.ndarray:
    """The score of each row: the probability of a Boolean target, or the value of a number."""
    return model.predict_proba(features)[:, -1] if is_classifier(model) else model.predict(features)


@task
def export_model(fitted: Pipeline, sets: Sets, gate: Gate) -> Scorer:
    """The fitted pipeline as an ONNX model that scores the gate rows as it does; from here on only that counts."""
    features = sets.gate.drop(META)
    model = to_bytes(fitted, features.schema)
    scorer = Scorer(model)
    check_parity(fitted, scorer, features, gate.max_onnx_mismatch)
    return scorer


def to_bytes(model: Pipeline, schema: pl.Schema) -> bytes:
    """The fitted pipeline as ONNX; the same bytes for the same model in any process.

    Raises:
        InputError: skl2onnx cannot convert it.
    """
    settle_ties(model)
    kinds = {name: StringTensorType if kind == pl.String else FloatTensorType for name, kind in schema.items()}
    inputs: list[Any] = [(name, kind([None, 1])) for name, kind in kinds.items()]
    try:
        options = {"zipmap": False} if is_classifier(model) else None
        onnx = to_onnx(model, initial_types=inputs, options=options, target_opset={"": 20, "ai.onnx.ml": 3})
    except Exception as error:  # it raises whatever its converters raise
        raise InputError(f"the pipeline of the estimator does not convert to ONNX: {first_line(error)}") from None
    opsets = sorted(onnx.opset_import, key=lambda opset: opset.domain)  # their order follows PYTHONHASHSEED
    del onnx.opset_import[:]
    onnx.opset_import.extend(opsets)
    return onnx.SerializeToString(deterministic=True)


def settle_ties(model: Pipeline) -> None:
    """Round the thresholds of boosted trees down to float32, as ONNX keeps them.

    A float32 value is at most a threshold exactly if it is at most the next float32 below it, so no prediction changes;
    rounded to nearest, as the converter does, a threshold can meet a value and send its rows the other way.
    """
    for trees in getattr(model[-1], "_predictors", []):
        for tree in trees:
            exact = tree.nodes["num_threshold"]
            nearest = exact.astype(np.float32)
            tree.nodes["num_threshold"] = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def check_parity(model: Pipeline, scorer: Scorer, features: pl.DataFrame, max_share: float) -> None:
    """Compare the ONNX file with scikit-learn: rows may differ by 0.001 (above 1: relatively).

    Some pipelines convert without an error and predict wrongly, so this check is never skipped.

    Raises:
        InputError: More than max_share of the rows differ.
    """
    expected = predict(model, features)
    tolerance = 1e-3 * np.maximum(1, np.abs(expected))
    share = float(np.mean(~(np.abs(scorer.score(features) - expected) <= tolerance)))
    if share > max_share:
        raise InputError(
            f"the ONNX file differs from scikit-learn on {share:.2%} of the gate rows, more than "
            f"gate.max_onnx_mismatch {max_share:.2%} allows: give trees plain unscaled numbers (OrdinalEncoder, no "
            "StandardScaler, no categorical_features) and forests imputed ones; see docs/how-to/estimator.md"
        )
