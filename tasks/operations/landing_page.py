"""How a landing is told: its page, the news of each table, and how the run ends."""

from typing import Any

import polars as pl

from tasks.core.errors import InputError, counted, escape_controls
from tasks.core.events import announce
from tasks.data.lateness import Unusual, find_unusual
from tasks.data.merge import Change
from tasks.data.quarantine import FILE, BadFile
from tasks.data.take_in import Landing
from tasks.operations.markdown import to_table
from tasks.operations.run_end import end_as

SHOWN = 20  # bad files in an event and in a sentence
LENGTH = 300  # characters of a reason


def tell_landed(landing: Landing, version: str) -> None:
    """Print what every file did, and emit data.landed for each table."""
    for change in landing.changes:
        counts = ", ".join(f"{count:,} {name}" for name, count in counts_of(change).items() if count)
        print(f"{escape_controls(change.file)}: {counts or 'no rows'}")
    for table in dict.fromkeys(change.table for change in landing.changes):
        announce("data.landed", f"data.{table}", **describe_landed(landing, table), data_version=version)


def tell_bad(landing: Landing) -> None:
    """Emit data.rejected where files were set aside, or could not be looked at."""
    for file in landing.bad:
        print(f"set aside: {escape_controls(file.reason)}")
    if landing.bad or landing.troubles:
        announce("data.rejected", "data.landing", reason=describe_bad(landing))


def tell_unusual(landing: Landing, late: float | None, deleted: list[Unusual]) -> list[Unusual]:
    """Emit data.late for each table that is late, data.unusual for each with a size that is not usual, or deletions."""
    landed = {change.table for change in landing.changes}
    found = [news for news in find_unusual(late) if news.event == "data.late" or news.table in landed]
    found += deleted
    for news in found:
        announce(news.event, f"data.{news.table}", table=news.table, reason=news.reason)
    return found


def describe_landed(landing: Landing, table: str) -> dict[str, Any]:
    """How many rows of a table landed, and the first and last time of an event among them."""
    span, rows = landing.spans.get(table), sum(change.read for change in landing.changes if change.table == table)
    first, last = (None, None) if span is None else (moment.isoformat() for moment in span)
    return {"table": table, "rows": rows, "start": first, "end": last}


def counts_of(change: Change) -> dict[str, int]:
    """The counts of a change by name."""
    return {k.replace("_", " "): v for k, v in change._asdict().items() if k not in ("table", "file", "read")}


def describe_bad(landing: Landing) -> str:
    """Why files were set aside, and what could not be looked at, shortened."""
    sentences = [*landing.troubles, *(shorten(file) for file in landing.bad)]
    more = f"; and {len(sentences) - SHOWN} more, see `ml quarantine`" if len(sentences) > SHOWN else ""
    return "; ".join(sentences[:SHOWN]) + more


def shorten(file: BadFile) -> str:
    return escape_controls(file.reason if len(file.reason) <= LENGTH else f"{file.reason[:LENGTH]}...")


def end_landing(landing: Landing, unusual: list[Unusual], source: str, version: str) -> str:
    """End the run under the name of what came of it.

    Raises:
        InputError: Something could not be looked at; what could is in all the same.
    """
    done = f"{counted(len(landing.changes), 'file')} in data version {version}"
    aside = [f"{len(landing.bad)} set aside: {describe_bad(landing)}"] if landing.bad else []
    odd = [news.reason for news in unusual]
    if landing.troubles:
        raise InputError("; ".join([describe_bad(landing), done, *odd]))
    if landing.changes or landing.bad:
        name = "Landed" if landing.changes else "SetAside"
        return end_as(name, "; ".join([done, *odd, *aside]), version, landing_page(landing))
    return end_as("Late" if odd else "NothingNew", "; ".join([f"nothing new in {source}", *odd]), version)


def end_consumption(rows: dict[str, int], troubles: list[str]) -> int:
    """End a consumption under the name of what came of it; returns how many rows landed.

    Raises:
        InputError: A stream could not be consumed any more; what was is landed.
    """
    told = ", ".join(f"{counted(count, 'row')} of {name}" for name, count in rows.items())
    if troubles:
        raise InputError(f"{'; '.join(troubles)}; landed: {told}")
    return end_as("Consumed" if any(rows.values()) else "NothingNew", f"landed: {told}", sum(rows.values()))


def end_replay(landing: Landing, left: pl.DataFrame, version: str) -> str:
    """End a replay under the name of what came of it; what still is in quarantine is counted."""
    rows, files = (landing.ledger.filter((pl.col("position") == FILE) == whole).height for whole in (False, True))
    gone = f"; {'; '.join(landing.troubles)}" if landing.troubles else ""
    told = (
        f"{counted(rows, 'row')} and {counted(files, 'file')} left the quarantine, "
        f"which holds {counted(left.height, 'entry', 'entries')}{gone}"
    )
    name = "Replayed" if landing.ledger.height else "NothingNew"
    return end_as(name, told, version, landing_page(landing))


def landing_page(landing: Landing) -> str:
    """What every landed file did to the data, and why others were set aside."""
    rows = [
        {name.replace("_", " "): str(value) for name, value in change._asdict().items()} for change in landing.changes
    ]
    bad = [{"file": file.file, "why": shorten(file)} for file in landing.bad]
    parts = [("What each file did", rows), ("Set aside: they are in quarantine, `ml quarantine`", bad)]
    return "\n\n".join(f"#### {title}\n\n{to_table(found)}" for title, found in parts if found)
