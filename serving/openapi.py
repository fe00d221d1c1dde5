"""The description of the API, with examples of a moment that can be answered now."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import dataframely as dy
import polars as pl
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.keys import Keys
from serving.model import ServedModel
from serving.receive import Receiver
from serving.rows import RowSchema
from tasks.core.calendar import spell_out_endless
from tasks.features.table import POLARS_ERRORS

TRIES = 1_000


def describe_api(
    app: FastAPI, models: Mapping[str, ServedModel], receivers: Mapping[str, Receiver], keys: Keys
) -> Callable[[], dict[str, Any]]:
    """What makes the description; it is made anew when there is newer data."""

    @lru_cache(1)
    def describe(moments: tuple[datetime | None, ...]) -> dict[str, Any]:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path, parts in schema["paths"].items():
            kind, _, rest = path.strip("/").partition("/")
            name = rest.split("/")[0]
            source = receivers.get(name) if kind == "tables" else models.get(name or app.state.default)
            if "post" in parts and source and (example := make_example(source, models, hidden=bool(keys.ask))):
                parts["post"]["requestBody"]["content"]["application/json"]["example"] = example
        if keys.ask:
            schemes = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
            schema.setdefault("components", {})["securitySchemes"] = schemes
            schema["security"] = [{"key": []}]
        return schema

    return lambda: describe(tuple(model.held and model.held.context.as_of for model in models.values()))


def make_example(
    source: ServedModel | Receiver, models: Mapping[str, ServedModel], hidden: bool
) -> dict[str, Any] | None:
    """A row as JSON takes it: the newest that is known, or where data is to stay hidden one that is made up.

    None where neither can be had.
    """
    table = source.use_case.rows if isinstance(source, ServedModel) else source.name
    held = [model.held for model in models.values() if model.held]
    known = [found.index.frames[table] for found in held if table in found.index.frames]
    if known and known[0].height and not hidden:
        return to_row(known[0].tail(1), source.schema)
    return make_up(source.schema, held[0].context.as_of if held else datetime.now(UTC))


def make_up(schema: RowSchema, as_of: datetime) -> dict[str, Any] | None:
    """A row that the contract allows."""
    day = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    given: dict[str, Any] = {}
    for name, column in schema.table.columns.items():
        if isinstance(column.dtype, pl.Datetime | pl.Date):
            given[name] = day if isinstance(column.dtype, pl.Datetime) else day.date()
        elif column.dtype.is_float() and column.min is None and column.max is None:
            given[name] = 1.0
    try:
        with dy.Config(max_sampling_iterations=TRIES):
            return to_row(schema.table.schema.sample(1, overrides=given), schema)
    except (Exception, *POLARS_ERRORS):  # whatever a rule of the contract raises
        return None


def to_row(rows: pl.DataFrame, schema: RowSchema) -> dict[str, Any]:
    """A row as JSON takes it."""
    shown = spell_out_endless(rows.select(schema.columns))
    shown = shown.with_columns(pl.selectors.temporal().dt.to_string("iso:strict"))
    return shown.row(0, named=True)
