"""Whether a table is late, or much smaller or larger than usual, by how it landed before."""

from datetime import UTC, datetime, timedelta
from statistics import median, median_high
from typing import NamedTuple

from tasks.data.versions import DataVersion, read_versions

BEFORE = 20  # landings that tell what is usual
ENOUGH = 5
LEAST_GAP = timedelta(hours=1)  # what comes more often is late after so long, too
FACTOR = 10  # by which the rows of a landing may differ from the usual number


class Unusual(NamedTuple):
    """What is unusual about a table, in a sentence."""

    table: str
    event: str  # data.late or data.unusual
    reason: str


def find_unusual(late: float | None) -> list[Unusual]:
    """Tables that nothing came of for longer than usual, or whose newest landing has another size than usual.

    Args:
        late: For how many times the usual gap nothing may come; None looks at the sizes alone.
    """
    landed = [version for version in read_versions() if version.kind == "landed"]
    tables = sorted({table for version in landed for table in version.changes})
    found = [judge(table, [version for version in landed if table in version.changes], late) for table in tables]
    newest = landed[-1].changes if landed else {}
    sizes = [judge_size(table, [v.changes[table]["read"] for v in landed if table in v.changes]) for table in newest]
    return [unusual for unusual in (*found, *sizes) if unusual is not None]


def judge(table: str, landed: list[DataVersion], late: float | None) -> Unusual | None:
    """Whether a table is late."""
    times = [version.made_at for version in landed[-BEFORE - 1 :]]
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    if late is None or len(gaps) < ENOUGH:
        return None
    usual, waiting = max(LEAST_GAP, median_high(gaps)), datetime.now(UTC) - times[-1]
    if waiting <= late * usual:
        return None
    reason = f"{table} is late: nothing landed since {times[-1]:%Y-%m-%d %H:%M} UTC, usually every {tell(usual)}"
    return Unusual(table, "data.late", reason)


def judge_size(table: str, rows: list[int]) -> Unusual | None:
    """Whether the newest landing of a table is much smaller or larger than those before."""
    before, newest = rows[-BEFORE - 1 : -1], rows[-1]
    if len(before) < ENOUGH or median(before) / FACTOR <= newest <= median(before) * FACTOR:
        return None
    return Unusual(table, "data.unusual", f"{newest:,} rows of {table} landed, usually {median(before):,.0f}")


def tell(span: timedelta) -> str:
    """A time span in words."""
    hours = span / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
