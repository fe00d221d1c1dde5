"""Everything on record about one model version, from raw files to what it served."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
from mlflow.entities import Run

from tasks.data.fetch import object_path, read_listing
from tasks.data.snapshot import cache_folder
from tasks.inference.prediction_log import log_folder
from tasks.registry import decision_log as logbook
from tasks.registry.versions import current_alias, load_version

KINDS = ("training", "review", "promotion", "rollback", "check")


def trace_version(model: str, version: str) -> dict[str, Any]:
    """The chain of a version: files, card, what happened to it in order, and the predictions that it served.

    Raises:
        InputError: There is no such version, or its files are not those that were registered.
    """
    card = load_version(model, version).card
    records = [run for run in logbook.find_records(model, *KINDS) if version in versions_of(run)]
    return {
        "model": model,
        "version": version,
        "files": list_files(card["data_version"]),
        "card": card,
        "history": [describe(run, version) for run in records],
        "predictions": count_predictions(version),
    }


def list_versions(model: str) -> list[dict[str, str]]:
    """Each version in order, what the gate said of it, and which one is champion now."""
    champion = current_alias(model)
    trained = [run.data.tags for run in logbook.find_records(model, "training") if "version" in run.data.tags]
    chosen = ("version", "as_of", "verdict", "by")
    return [
        {name: tags[name] for name in chosen} | {"now": "champion" if tags["version"] == champion else ""}
        for tags in trained
    ]


def versions_of(run: Run) -> set[str]:
    """The versions that a record is about."""
    tags = run.data.tags
    return {tags.get(name, "") for name in ("version", "target", "origin")}


def describe(run: Run, version: str) -> dict[str, str]:
    """Who, when, what and why of a record."""
    tags = run.data.tags
    what = {
        "training": f"trained ({tags.get('cause')}), verdict {tags.get('verdict')}",
        "review": f"review {tags.get('outcome', 'pending')}",
        "promotion": f"promoted in place of version {tags.get('origin') or 'none'}",
        "rollback": f"champion again in place of version {tags.get('origin')}",
        "check": f"checked on window {tags.get('window')}",
    }[tags["kind"]]
    if tags["kind"] in ("promotion", "rollback") and tags["origin"] == version:
        what = f"{'replaced' if tags['kind'] == 'promotion' else 'rolled back'}, version {tags['target']} is champion"
    if tags["kind"] == "check":
        found = [name for name in ("alarm", "degraded") if tags.get(name) == "True"]
        what += f": {', '.join(found) or 'in order'}"
    return {
        "when": f"{datetime.fromtimestamp(run.info.start_time / 1000, UTC):%Y-%m-%d %H:%M:%S}",
        "as_of": tags["as_of"],
        "what": what,
        "who": tags.get("by", ""),
        "why": tags.get("reason") or tags.get("note", ""),
        "state": run.info.status,
        "record": run.info.run_id,
    }


def list_files(data_version: str) -> dict[str, str] | None:
    """The md5 of each raw file of a data version by name; None if this machine's cache does not hold the listing."""
    cache = cache_folder()
    if not object_path(data_version, cache).is_file():
        return None
    return read_listing(data_version, cache)


def count_predictions(version: str) -> dict[str, Any]:
    """How many rows a version scored, from which event time to which."""
    files = sorted(log_folder().glob("date=*/*.parquet"))
    if not files:
        return {"rows": 0}
    own = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("version") == version)
    span = own.select(rows=pl.len(), first=pl.min("event_time"), last=pl.max("event_time")).collect()
    return {name: value if name == "rows" else str(value) for name, value in span.row(0, named=True).items()}
