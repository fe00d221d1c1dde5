"""Scoring with an ONNX file; loading one runs no code of its own and needs no scikit-learn."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

from tasks.core.errors import InputError, first_line

BATCH = 50_000
TEXT = "tensor(string)"


class Scorer:
    """A loaded model; the same scores whatever the thread count.

    Raises:
        InputError: The bytes are no ONNX model, or one that keeps its weights in other files.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # it raises whatever its parser raises
            raise InputError(f"the model is no ONNX file that stands alone: {first_line(error)}") from None
        self.features = {i.name: i.type for i in self.session.get_inputs()}
        self._output = self.session.get_outputs()[-1].name

    def missing(self, features: Iterable[str]) -> set[str]:
        """Columns the model needs and others lack."""
        return self.features.keys() - set(features)

    def misfit(self, made: Mapping[str, Any]) -> str | None:
        """A feature that the model was fitted on and that is not made, or a text in place of a number; None if all fit.

        Args:
            made: The types of the features by name.
        """
        wrong = (n for n, kind in self.features.items() if n not in made or (made[n] == pl.String) != (kind == TEXT))
        return next(wrong, None)

    def require(self, features: pl.DataFrame) -> None:
        """Refuse features without one that the model was fitted on, or with a text in place of a number.

        Raises:
            InputError: It names the feature.
        """
        if name := self.misfit(features.schema):
            found = f"makes {features.schema[name]} now" if name in features.columns else "no longer makes"
            raise InputError(
                f"the model needs the feature {name!r}, which features.py {found}: keep it, or name another model "
                "in params.yaml, which begins without a champion"
            )

    def score(self, features: pl.DataFrame) -> np.ndarray:
        """Probability of the positive class, or predicted value, for each row, float64.

        Args:
            features: At least the columns the model was fitted on, in any order.

        Raises:
            InputError: One is missing, or of another kind.
        """
        self.require(features)
        batches = [
            self.run(to_inputs(batch.select(list(self.features)).to_dict())) for batch in features.iter_slices(BATCH)
        ]
        return np.concatenate(batches) if batches else np.empty(0)

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The scores of features as to_inputs makes them; those that the model does not take are left out."""
        scores = self.session.run([self._output], {name: inputs[name] for name in self.features})[0]
        return np.asarray(scores)[:, -1].astype(np.float64)


def to_inputs(features: Mapping[str, pl.Series | np.ndarray]) -> dict[str, np.ndarray]:
    """Features as any model takes them; an infinite number counts as missing, which a training refuses."""
    return {name: to_input(values) for name, values in features.items()}


def to_input(values: pl.Series | np.ndarray) -> np.ndarray:
    """One feature: text as objects, numbers as float32 with nan for null."""
    if isinstance(values, pl.Series):
        if values.dtype == pl.String:
            return values.to_numpy().astype(object).reshape(-1, 1)
        values = values.to_numpy()
    numbers = values.astype(np.float32, copy=False).reshape(-1, 1)
    return np.where(np.isinf(numbers), np.float32("nan"), numbers)
