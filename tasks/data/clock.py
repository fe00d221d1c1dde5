"""The logical time of a run."""

from datetime import UTC, datetime, timedelta

import polars as pl

from tasks.core.errors import InputError
from tasks.core.moments import in_utc
from tasks.core.use_case import UseCase
from tasks.data.reader import months, read_event_rows
from tasks.data.snapshot import Snapshot

CLOCK_SKEW = timedelta(hours=1)  # allowed between machines


def resolve_as_of(as_of: datetime | None, snapshot: Snapshot, use_case: UseCase, clock: str) -> datetime:
    """The logical time of a run, in UTC: as given, or by the clock of params.yaml.

    Raises:
        InputError: Of an impossible year, or in the future, where it would stop every later move of the champion.
    """
    now = datetime.now(UTC)
    if as_of is None:
        return now if clock == "wall" else newest_hour(snapshot, use_case, now)
    as_of = in_utc(as_of)
    if as_of > now + CLOCK_SKEW:
        raise InputError(f"as_of {as_of:%Y-%m-%d %H:%M} lies in the future: is the year right?")
    return as_of


def newest_hour(snapshot: Snapshot, use_case: UseCase, now: datetime) -> datetime:
    """The first full hour after the newest prediction time or outcome of the data; later than now does not count."""
    found: dict[str, datetime] = {}
    told = pl.when(use_case.target.is_not_null()).then(use_case.label_time)
    times = {"asked": use_case.prediction_time, "outcome": told}
    for start, end in reversed(months(snapshot, use_case)):
        missing = [time.filter(time <= now).max().alias(name) for name, time in times.items() if name not in found]
        row = read_event_rows(snapshot, use_case, start, end).select(missing).row(0, named=True)
        found |= {name: time for name, time in row.items() if time is not None}
        if len(found) == len(times):
            break
    if not found:
        raise InputError(f"data version {snapshot.version} holds no row of {use_case.rows} that was asked for yet")
    return max(found.values()).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
