"""The starter's estimators and their search space; project/NAME/estimator.py replaces them for a model.

Both pipelines are spelled so that skl2onnx converts them faithfully: boosted trees take categories as plain numbers
and are never scaled; the linear model takes them one-hot, without infrequent categories.
"""

from typing import Any

import optuna
import polars as pl
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

# The untuned recipe: trial 0 of every study.
DEFAULT: dict[str, Any] = {
    "family": "boosting",
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 100,
    "l2_regularization": 1.0,
}


def search_space(trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """The hyperparameters of one trial."""
    if trial.suggest_categorical("family", ["boosting", "linear"]) == "linear":
        return {"family": "linear", "C": trial.suggest_float("C", 1e-4, 10, log=True)}
    return {
        "family": "boosting",
        "max_iter": trial.suggest_int("max_iter", 50, 250),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 63, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 10, 300, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10, log=True),
    }


def make_model(hyperparameters: dict[str, Any], schema: pl.Schema, target: pl.DataType, seed: int) -> Pipeline:
    """An unfitted pipeline.

    Args:
        hyperparameters: What search_space returned.
        schema: Of the features; the String columns are the categories.
        target: Boolean asks for a classifier, a number for a regressor.
        seed: Of whatever the model draws at random.
    """
    chosen, classify = dict(hyperparameters), target == pl.Boolean
    categories = [name for name, kind in schema.items() if kind == pl.String]
    numbers = [name for name in schema if name not in categories]
    if chosen.pop("family") == "linear":
        one_hot = (OneHotEncoder(handle_unknown="ignore"), categories)
        scaled = (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers)
        linear = LogisticRegression(max_iter=500, C=chosen["C"]) if classify else Ridge(alpha=1 / chosen["C"])
        return make_pipeline(make_column_transformer(one_hot, scaled), linear)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    boosting = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    trees = boosting(early_stopping=False, random_state=seed, **chosen)
    return make_pipeline(make_column_transformer((codes, categories), ("passthrough", numbers)), trees)
