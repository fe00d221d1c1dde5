"""Everything on record about one model version, from raw files to what it served."""

from typing import Any

import polars as pl

from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, read_listing
from tasks.data.snapshot import cache_folder
from tasks.registry.decision_log import Record
from tasks.registry.versions import Log, load_version

KINDS = ("training", "review", "promotion", "rollback", "check")


def trace_version(log: Log, version: str) -> dict[str, Any]:
    """The chain of a version: files, card, what happened to it in order, and the predictions that it served.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    card = load_version(log.model, version).card
    records = [record for record in log.of(*KINDS) if version in versions_of(record)]
    return {
        "model": log.model,
        "version": version,
        "files": list_files(card["data_version"]),
        "card": card,
        "history": [describe(record, version) for record in records],
        "predictions": count_predictions(version),
    }


def list_versions(log: Log) -> list[dict[str, str]]:
    """Each version in order, what the gate said of it, and which one is champion now."""
    chosen = ("version", "as_of", "verdict", "by")
    return [
        {name: record.tags[name] for name in chosen}
        | {"now": "champion" if record.tags["version"] == log.champion() else ""}
        for record in log.of("training")
        if "version" in record.tags
    ]


def versions_of(record: Record) -> set[str]:
    """The versions that a record is about."""
    return {record.tags.get(name, "") for name in ("version", "target", "origin")}


def describe(record: Record, version: str) -> dict[str, str]:
    """Who, when, what and why of a record."""
    tags = record.tags
    return {
        "when": f"{record.made_at:%Y-%m-%d %H:%M:%S}",
        "as_of": tags["as_of"],
        "what": describe_kind(record, version),
        "who": tags.get("by", ""),
        "why": tags.get("reason") or tags.get("note", ""),
        "state": record.status,
        "record": record.id,
    }


def describe_kind(record: Record, version: str) -> str:
    """What happened, as seen from a version."""
    tags, replaced = record.tags, record.tags.get("origin") == version
    if record.kind == "training":
        return f"trained ({tags.get('cause')}), verdict {tags.get('verdict')}"
    if record.kind == "review":
        return f"review {tags.get('outcome', 'pending')}"
    if record.kind == "check":
        found = [name for name in ("alarm", "degraded") if tags.get(name) == "True"]
        return f"checked on window {tags.get('window')}: {', '.join(found) or 'in order'}"
    if replaced:
        return f"{'replaced' if record.kind == 'promotion' else 'rolled back'}, version {tags['target']} is champion"
    how = "promoted" if record.kind == "promotion" else "champion again"
    return f"{how} in place of version {tags['origin'] or 'none'}"


def list_files(data_version: str) -> dict[str, str] | None:
    """The md5 of each raw file of a data version by name; None if this machine's cache does not hold the listing."""
    cache = cache_folder()
    if not object_path(data_version, cache).is_file():
        return None
    return read_listing(data_version, cache)


def count_predictions(version: str) -> dict[str, Any]:
    """How many rows a version scored, from which event time to which."""
    files = sorted(workspace().predictions.glob("date=*/*.parquet"))
    if not files:
        return {"rows": 0}
    own = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("version") == version)
    span = own.select(rows=pl.len(), first=pl.min("event_time"), last=pl.max("event_time")).collect()
    return {name: value if name == "rows" else str(value) for name, value in span.row(0, named=True).items()}
