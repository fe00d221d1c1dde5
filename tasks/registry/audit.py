"""Everything on record about one model version, from raw files to what it served."""

from typing import Any

from tasks.core.tables import literal, read_rows
from tasks.data.fetch import object_path, read_listing
from tasks.data.snapshot import cache_folder
from tasks.inference.prediction_log import PREDICTIONS
from tasks.registry.entries import Answered, Asked, Checked, Claim, Entry, Judged, Move
from tasks.registry.state import Log
from tasks.registry.versions import load_version


def trace_version(log: Log, version: str) -> dict[str, Any]:
    """The chain of a version: files, card, what happened to it in order, and the predictions that it served.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    card = load_version(log, version).card
    return {
        "model": log.model,
        "version": version,
        "files": list_files(card["data_version"]) if "data_version" in card else None,
        "card": card,
        "history": [describe(entry, version) for entry in log.entries if version in versions_of(entry)],
        "predictions": count_predictions(log.model, version),
    }


def list_versions(log: Log) -> list[dict[str, str]]:
    """Each version in order: what the gate said, what a person said, and since when it served."""
    champion = log.champion()
    return [
        {
            "version": entry.version,
            "as_of": entry.as_of.isoformat(),
            "verdict": entry.decision,
            "review": log.reviews[entry.version].outcome if entry.version in log.reviews else "",
            "by": entry.by,
            "now": "champion" if entry.version == champion else was_champion(log, entry.version),
        }
        for entry in log.versions.values()
    ]


def was_champion(log: Log, version: str) -> str:
    """From when to when, by the record; empty if it never was."""
    spans = zip(log.moves, log.moves[1:], strict=False)
    served = [f"{a.as_of:%Y-%m-%d} to {b.as_of:%Y-%m-%d}" for a, b in spans if a.version == version]
    return f"champion {', '.join(served)}" if served else ""


def versions_of(entry: Entry) -> set[str | None]:
    """The versions that an entry is about."""
    return {getattr(entry, name, None) for name in ("version", "replaces")}


def describe(entry: Entry, version: str) -> dict[str, str]:
    """Who, when, what and why of an entry."""
    return {
        "when": f"{entry.made_at:%Y-%m-%d %H:%M:%S}",
        "as_of": entry.as_of.isoformat(),
        "what": describe_kind(entry, version),
        "who": entry.by,
        "why": entry.reason,
        "entry": str(entry.number),
    }


def describe_kind(entry: Entry, version: str) -> str:
    """What happened, as seen from a version."""
    match entry:
        case Judged():
            return f"trained ({entry.cause}), verdict {entry.decision}"
        case Asked():
            return f"review asked, until {entry.until:%Y-%m-%d %H:%M}"
        case Claim():
            return f"{entry.work} shown by run {entry.run}"
        case Answered():
            return f"review {entry.outcome}"
        case Checked():
            found = [name for name in ("alarm", "degraded") if getattr(entry, name)]
            found += ["rejected"] if entry.check.get("rejected") else []
            return f"checked on window {entry.window}: {', '.join(found) or 'in order'}"
        case Move() if entry.replaces == version:
            how = "replaced" if entry.kind == "promotion" else "rolled back"
            return f"{how}, version {entry.version} is champion"
        case Move():
            how = "promoted" if entry.kind == "promotion" else "champion again"
            return f"{how} in place of version {entry.replaces or 'none'}"
    return entry.kind


def list_files(data_version: str) -> dict[str, str] | None:
    """The md5 of each raw file of a data version by name; None if this machine's cache does not hold the listing."""
    cache = cache_folder()
    if not object_path(data_version, cache).is_file():
        return None
    return read_listing(data_version, cache)


def count_predictions(model: str, version: str) -> dict[str, Any]:
    """How many rows a version scored, from which event time to which."""
    times = read_rows(PREDICTIONS, f"model = {literal(model)} AND version = {literal(version)}", ["event_time"])
    if times.is_empty():
        return {"rows": 0}
    times = times["event_time"]
    return {"rows": times.len(), "first": str(times.min()), "last": str(times.max())}
