"""Features of rows: the same code for one row and for a million."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from tasks.features.index import Index, Values, as_values
from tasks.features.known import Known, Rows
from tasks.features.past import Past, Term

Features = Callable[[Rows, Known], dict[str, Any]]
NEVER = -(2**62)  # microseconds: before any history, for a row without a prediction time
TEXT = (pl.String, pl.Categorical, pl.Enum)


def build_features(
    features: Features,
    rows: pl.DataFrame,
    at: pl.Series,
    index: Index,
    table: str,
    given: Mapping[Term, Values] | None = None,
) -> pl.DataFrame:
    """What a features function makes of rows.

    Args:
        features: Of features.py.
        rows: Rows of the table that is predicted; outcomes are not looked at.
        at: Their prediction times.
        index: Of all tables.
        table: That which is predicted.
        given: Answers that replace those of the index.

    Returns:
        One row for each of `rows`, in their order; String and Float32 columns.
    """
    frame, past = see_past(rows, at, index, table, given)
    return make_frame(features(Rows(frame, index.tables[table].outcomes), Known(past)), frame)


def see_past(
    rows: pl.DataFrame, at: pl.Series, index: Index, table: str, given: Mapping[Term, Values] | None = None
) -> tuple[pl.DataFrame, Past]:
    """The rows without their outcomes, and what was known before each."""
    outcomes = [column for column in index.tables[table].outcomes if column in rows.columns]
    frame = rows.drop(outcomes) if outcomes else rows
    moments = np.maximum(at.to_numpy().astype("datetime64[us]").astype(np.int64), NEVER)
    return frame, Past(index, frame, moments, given)


def make_frame(values: dict[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    """Features as String and Float32 columns."""
    expressions = [value.alias(name) for name, value in values.items() if isinstance(value, pl.Expr)]
    computed = rows.select_seq(expressions).to_dict() if expressions else {}
    return pl.DataFrame([make_column(name, computed.get(name, value), rows.height) for name, value in values.items()])


def make_column(name: str, value: Any, height: int) -> pl.Series:
    """One feature as String, or as Float32 with null for nan.

    Raises:
        ValueError: It is of another type, or not one value for each row.
    """
    values = as_values(value) if isinstance(value, pl.Series) else value
    if not isinstance(values, np.ndarray | pl.Series):
        raise ValueError(f"the feature {name!r} is {type(value).__name__}: give an array, a series or an expression")
    if len(values) != height:
        raise ValueError(f"the feature {name!r} has {len(values):,} values for {height:,} rows")
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return pl.Series(name, values.astype(np.float32), nan_to_null=True)
    column = pl.Series(name, values)
    if column.dtype not in TEXT:
        raise ValueError(f"the feature {name!r} is {column.dtype}: make a number of it, or text")
    return column if column.dtype == pl.String else column.cast(pl.String)
