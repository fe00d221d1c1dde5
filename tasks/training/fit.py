"""Fitting a model, and what it predicts: the probability of a Boolean target, or the value of a number."""

from typing import Any

import numpy as np
import polars as pl
from prefect import task
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tasks.core.digests import META
from tasks.training.estimators import make_model


@task
def fit_model(frame: pl.DataFrame, hyperparameters: dict[str, Any], seed: int) -> Pipeline:
    """A model fitted on a feature frame, on one thread: more would change the bits of linear models."""
    features = frame.drop(META)
    with threadpool_limits(1):
        model = make_model(hyperparameters, features.schema, frame["target"].dtype, seed)
        return model.fit(features, frame["target"])


def predict(model: Pipeline, features: pl.DataFrame) -> np.ndarray:
    """The score of each row."""
    return model.predict_proba(features)[:, -1] if is_classifier(model) else model.predict(features)
