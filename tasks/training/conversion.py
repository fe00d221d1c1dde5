"""From a fitted pipeline to an ONNX file that predicts the same.

A model that does not convert: replace `to_bytes` here and `Scorer` in tasks/inference/scorer.py (docs/other-models.md).
"""

from typing import Any

import numpy as np
import polars as pl
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from tasks.core.errors import InputError
from tasks.inference.scorer import Scorer
from tasks.training.fit import predict


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
        raise InputError(
            f"tasks/training/estimators.py: the pipeline does not convert to ONNX: {str(error).strip().splitlines()[0]}"
        ) from None
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
            f"gate.max_unfaithful_share {max_share:.2%} allows: give trees plain unscaled numbers (OrdinalEncoder, no "
            "StandardScaler, no categorical_features) and forests imputed ones; see docs/other-models.md"
        )
