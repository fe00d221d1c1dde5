"""Scoring with an ONNX file; loading one runs no code of its own and needs no scikit-learn."""

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

    def missing(self, features: pl.DataFrame) -> set[str]:
        """Columns the model needs and a frame lacks."""
        return self.features.keys() - set(features.columns)

    def score(self, features: pl.DataFrame) -> np.ndarray:
        """Probability of the positive class, or predicted value, for each row, float64.

        Args:
            features: At least the columns the model was fitted on, in any order.

        Raises:
            InputError: One is missing.
        """
        if missing := self.missing(features):
            raise InputError(
                f"the model needs the feature {min(missing)!r}, which features.py no longer makes: keep it, or "
                "name another model in params.yaml, which begins without a champion"
            )
        output = self.session.get_outputs()[-1].name
        outputs = (self.session.run([output], self._feed(batch))[0] for batch in features.iter_slices(BATCH))
        batches = [np.asarray(scores)[:, -1] for scores in outputs]
        return np.concatenate(batches).astype(np.float64) if batches else np.empty(0)

    def _feed(self, features: pl.DataFrame) -> dict[str, np.ndarray]:
        return {name: to_input(features[name], kind) for name, kind in self.features.items()}


def to_input(values: pl.Series, kind: str) -> np.ndarray:
    """A column as the model takes it; an infinite number counts as missing, which a training refuses."""
    if kind == TEXT:
        return values.to_numpy().astype(object).reshape(-1, 1)
    numbers = values.to_numpy().astype(np.float32).reshape(-1, 1)
    return np.where(np.isinf(numbers), np.float32("nan"), numbers)
