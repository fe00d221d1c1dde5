"""Spans of time as people write them: 28d, 12h, 30m, 60s."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def _parse_span(value: Any) -> Any:
    """'28d' as a timedelta; anything else is pydantic's to judge."""
    if isinstance(value, str) and value[:-1].isdigit() and value[-1:] in UNITS:
        return timedelta(seconds=int(value[:-1]) * UNITS[value[-1]])
    return value


def _write_span(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    unit = next(unit for unit, size in UNITS.items() if seconds % size == 0)
    return f"{seconds // UNITS[unit]}{unit}"


Span = Annotated[
    timedelta,
    BeforeValidator(_parse_span, json_schema_input_type=str),
    PlainSerializer(_write_span, return_type=str),
    Field(gt=timedelta(0), examples=["28d"]),
]
