"""Spans of time as people write them: 28d, 12h, 30m, 60s."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def _parse_span(value: Any) -> Any:
    """'28d' as a timedelta; a number alone could be days or seconds."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"([0-9]{1,6})([dhms])", str(value))
    if not found:
        raise ValueError("give a number with its unit, such as 28d, 12h, 30m or 60s")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


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
