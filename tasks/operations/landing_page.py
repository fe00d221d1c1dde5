"""How a landing is told: its page, the news of each table, and how the run ends."""

from typing import Any

from tasks.core.errors import InputError, escape_controls
from tasks.core.events import announce
from tasks.data.merge import Change
from tasks.data.quarantine import BadFile
from tasks.data.take_in import Landing
from tasks.operations.markdown import to_table
from tasks.operations.run_end import end_as

SHOWN = 20  # bad files in an event and in a sentence
LENGTH = 300  # characters of a reason


def tell_landed(landing: Landing, version: str) -> None:
    """Print what every file did, and emit data.landed for each table, and data.rejected where files were set aside."""
    for change in landing.changes:
        counts = ", ".join(f"{count:,} {name}" for name, count in counts_of(change).items() if count)
        print(f"{escape_controls(change.file)}: {counts or 'no rows'}")
    for table in dict.fromkeys(change.table for change in landing.changes):
        announce("data.landed", f"data.{table}", **describe_landed(landing, table), data_version=version)
    if landing.bad or landing.troubles:
        announce("data.rejected", "data.landing", reason=describe_bad(landing))


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


def end_landing(landing: Landing, source: str, version: str) -> str:
    """End the run under the name of what came of it.

    Raises:
        InputError: Something could not be looked at; what could is in all the same.
    """
    done = f"{len(landing.changes)} files are in data version {version}"
    aside = f"{len(landing.bad)} set aside: {describe_bad(landing)}" if landing.bad else ""
    if landing.troubles:
        raise InputError(f"{describe_bad(landing)}; {done}")
    if not landing.changes and not landing.bad:
        return end_as("NothingNew", f"nothing new in {source}", version)
    name = "Landed" if landing.changes else "SetAside"
    return end_as(name, "; ".join(filter(None, (done, aside))), version, landing_page(landing))


def landing_page(landing: Landing) -> str:
    """What every landed file did to the data, and why others were set aside."""
    rows = [
        {name.replace("_", " "): str(value) for name, value in change._asdict().items()} for change in landing.changes
    ]
    bad = [{"file": file.file, "why": shorten(file)} for file in landing.bad]
    parts = [("What each file did", rows), ("Set aside: they are in quarantine, `ml quarantine`", bad)]
    return "\n\n".join(f"#### {title}\n\n{to_table(found)}" for title, found in parts if found)
