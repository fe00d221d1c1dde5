"""The logical time of a run."""

from datetime import UTC, datetime, timedelta

from tasks.core.errors import InputError
from tasks.core.use_case import UseCase
from tasks.data.reader import months, read_event_rows
from tasks.data.snapshot import Snapshot

CLOCK_SKEW = timedelta(hours=1)  # allowed between machines


def resolve_as_of(as_of: datetime | None, snapshot: Snapshot, use_case: UseCase, clock: str) -> datetime:
    """The logical time of a run, in UTC: as given, or by the clock of params.yaml.

    Raises:
        InputError: It lies in the future, where it would stop every later move of the champion.
    """
    now = datetime.now(UTC)
    if as_of is None:
        return now if clock == "wall" else newest_outcome(snapshot, use_case, now)
    as_of = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    if as_of > now + CLOCK_SKEW:
        raise InputError(f"as_of {as_of:%Y-%m-%d %H:%M} lies in the future: is the year right?")
    return as_of


def newest_outcome(snapshot: Snapshot, use_case: UseCase, now: datetime) -> datetime:
    """The first full hour after the newest outcome of the data; outcomes dated later than now do not count."""
    known = use_case.label_time
    for start, end in reversed(months(snapshot, use_case)):
        newest = read_event_rows(snapshot, use_case, start, end).select(known.filter(known <= now).max()).item()
        if newest is not None:
            return newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    raise InputError(f"data version {snapshot.version} holds no row of {use_case.rows} with a known outcome")
