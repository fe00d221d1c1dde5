"""Features of rows: the same code for one row and for a million."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tasks.features.index import Index, Values, as_values
from tasks.features.known import Known, Rows
from tasks.features.past import NEVER, Past, Term
from tasks.features.table import looks_across

TEXT = (pl.String, pl.Categorical, pl.Enum)
Function = Callable[[Rows, Known], dict[str, Any]]


@dataclass(frozen=True)
class Features:
    """The function of features.py, with the rows it is for and what it was seen to ask of the past.

    Args:
        function: Called with rows and what was known before each; returns a value for each feature by name.
        table: Whose rows are predicted.
        prediction_time: Of its rows.
        terms: All that the function may ask for; None while it is learned.
    """

    function: Function
    table: str
    prediction_time: pl.Expr
    terms: frozenset[Term] | None = None

    def build(self, rows: pl.DataFrame, index: Index, given: Mapping[Term, Values] | None = None) -> pl.DataFrame:
        """The features of rows of the table; outcomes are not looked at.

        Args:
            rows: Any number of them.
            index: Of all tables.
            given: Answers that replace those of the index.

        Returns:
            One row for each of `rows`, in their order; String and Float32 columns.
        """
        return self.ask(rows, index, given)[0]

    def ask(
        self, rows: pl.DataFrame, index: Index, given: Mapping[Term, Values] | None = None
    ) -> tuple[pl.DataFrame, Past]:
        """The features, and the past that was asked for them."""
        values, past = self.values(rows, index, given)
        columns = [pl.Series(name, found, nan_to_null=True) for name, found in values.items()]
        return pl.DataFrame(columns), past

    def values(
        self,
        rows: pl.DataFrame,
        index: Index,
        given: Mapping[Term, Values] | None = None,
        times: pl.Series | None = None,
        until: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[dict[str, Values], Past]:
        """The features as they are scored, float32 arrays with nan for null and series of text, and the past.

        Args:
            rows: Any number of them.
            index: Of all tables.
            given: Answers that replace those of the index.
            times: The prediction time of each row, where it is known already.
            until: For a table, the moment from which on each row is to know nothing of it, in microseconds.
        """
        outcomes = index.tables[self.table].outcomes
        times = rows.select_seq(self.prediction_time).to_series() if times is None else times
        at = times.to_numpy().astype("datetime64[us]").astype(np.int64)
        frame = rows.drop(here) if (here := [column for column in outcomes if column in rows.columns]) else rows
        past = Past(index, frame, np.maximum(at, NEVER), given, until)
        with np.errstate(divide="ignore", invalid="ignore"):  # what comes of it is checked
            values = self.function(asked := Rows(frame, outcomes), Known(past))
        if not isinstance(values, dict) or not values:
            raise ValueError("features() must return a dict: a name and a value for each feature")
        if self.terms is None:
            check_expressions(values, asked)
        elif unknown := past.answers.keys() - self.terms:
            raise ValueError(f"{min(map(str, unknown))} is asked for with some rows only")
        return make_values(values, frame), past


def check_expressions(values: dict[str, Any], rows: Rows) -> None:
    """Refuse an expression that looks across rows, or at a column that they do not have."""
    for name, value in values.items():
        if isinstance(value, pl.Expr):
            for column in value.meta.root_names():
                rows.require(column)
            if looks_across(value, arrays=True):
                raise ValueError(
                    f"the feature {name!r} looks across the rows asked for: make it of the row and `known`"
                )


def make_values(values: dict[str, Any], rows: pl.DataFrame) -> dict[str, Values]:
    """Features as text and float32."""
    expressions = [value.alias(name) for name, value in values.items() if isinstance(value, pl.Expr)]
    computed = rows.select_seq(expressions).to_dict() if expressions else {}
    return {name: make_feature(name, computed.get(name, value), rows.height) for name, value in values.items()}


def make_feature(name: str, value: Any, height: int) -> Values:
    """One feature as a series of String, or as an array of float32 with nan for null.

    Raises:
        ValueError: It is of another type, or not one value for each row.
    """
    values = as_values(value) if isinstance(value, pl.Series) else value
    if not isinstance(values, np.ndarray | pl.Series):
        raise ValueError(f"the feature {name!r} is {type(value).__name__}: give an array, a series or an expression")
    if values.shape != (height,):
        raise ValueError(f"the feature {name!r} has {len(values):,} values for {height:,} rows")
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values.astype(np.float32)
    column = pl.Series(name, values)
    if column.dtype not in TEXT:
        raise ValueError(f"the feature {name!r} is {column.dtype}: make a number of it, or text")
    return column if column.dtype == pl.String else column.cast(pl.String)
