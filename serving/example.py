"""An example of a request: a made-up row that the contract allows, of a moment that the context knows of."""

from datetime import UTC, datetime
from typing import Any

import dataframely as dy
import polars as pl

from serving.model import ServedModel

TRIES = 1_000


def make_example(model: ServedModel) -> dict[str, Any] | None:
    """A row as JSON takes it; None where the contract is too intricate to make one up."""
    as_of = model.held.context.as_of if model.held else datetime.now(UTC)
    day, kinds = as_of.replace(hour=0, minute=0, second=0, microsecond=0), model.schema.kinds
    moments = {
        name: day if isinstance(kind, pl.Datetime) else day.date() for name, kind in kinds.items() if is_day(kind)
    }
    try:
        with dy.Config(max_sampling_iterations=TRIES):
            rows = model.use_case.predicted.schema.sample(1, overrides=moments)
    except Exception:  # whatever a rule of the contract raises
        return None
    shown = rows.select(model.schema.columns).with_columns(pl.selectors.temporal().dt.to_string("iso:strict"))
    return shown.row(0, named=True)


def is_day(kind: pl.DataType) -> bool:
    """Whether a column holds days or moments."""
    return isinstance(kind, pl.Datetime | pl.Date)
