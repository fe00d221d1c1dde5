"""Moments as users give them: in UTC, and in years that data can be of."""

from datetime import UTC, datetime

from tasks.core.errors import InputError

YEARS = range(1900, 2200)
POSSIBLE = (datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[-1], 12, 31, tzinfo=UTC))  # of events


def parse_moment(text: str) -> datetime:
    """A date, which is its midnight, or a date and time; without an offset it is UTC.

    Raises:
        InputError: It is neither, or of an impossible year.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"{text!r} is no moment: give a date or a time in UTC, as 2024-06-01T12:00") from None
    return in_utc(moment)


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC.

    Raises:
        InputError: Its year is impossible.
    """
    if moment.year not in YEARS:
        raise InputError(f"{moment.isoformat()}: give a year from {YEARS[0]} to {YEARS[-1]}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
