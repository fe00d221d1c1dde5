"""Durations as text: 30m, 6h, 2d, 1w."""

import re
from datetime import timedelta
from functools import cache
from typing import Any

UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}  # seconds
LONGEST = timedelta(days=36_500)


def parse_duration(text: Any) -> timedelta:
    """'48h' as a timedelta, which is taken as it is; a number alone could be days or seconds."""
    found = re.fullmatch(r"([0-9]{1,6})([wdhms])", str(text))
    duration = timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else text
    if not isinstance(duration, timedelta):
        raise ValueError(f"{text!r} is no duration: give a number with its unit, such as 28d, 12h, 30m or 60s")
    if not timedelta(0) < duration <= LONGEST:
        raise ValueError(f"{text!r} is no duration that can be used: it must be above 0 and at most {LONGEST.days}d")
    return duration


@cache
def micros(duration: Any) -> int:
    """A duration in whole microseconds."""
    return parse_duration(duration) // timedelta(microseconds=1)


def format_duration(duration: timedelta) -> str:
    """A duration in its largest whole unit, such as 28d."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit, size in UNITS.items() if unit != "w" and seconds % size == 0)
    return f"{seconds // UNITS[unit]}{unit}"
