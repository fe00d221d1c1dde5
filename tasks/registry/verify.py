"""Whether the record is whole: the chain of the log, what was kept of its head elsewhere, and every file it names."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tasks.core.errors import InputError
from tasks.core.store import read_json, store
from tasks.inference.bundle import load_bundle
from tasks.registry.decision_log import DECISIONS, digest, fold, read_entries
from tasks.registry.entries import Checked, parse_entry
from tasks.registry.state import Head


def verify_record(model: str, mirrored: Head | None = None) -> list[str]:
    """What is wrong with the record of a model; nothing, if it is whole.

    A chain alone proves no more than that nobody changed it clumsily: who can write it can write it anew. Each bundle
    keeps number and digest of the head from when it was made, and so may MLflow; what came after the newest of these
    anchors is not proven.

    Args:
        model: Its name.
        mirrored: The head that MLflow keeps.
    """
    store().forget_copies()
    rows = read_entries(model)
    if faults := [*check_commits(), *check_chain(rows)]:
        return faults
    try:
        log = fold(model, rows)
    except InputError as error:
        return [str(error)]
    digests = [digest(row) for row in rows.iter_rows(named=True)]
    faults = []
    if mirrored:
        faults += check_anchor(digests, mirrored, "MLflow")
    for version, entry in log.versions.items():
        try:
            card = load_bundle(entry.bundle, entry.digests).card
        except InputError as error:
            faults.append(f"version {version}: {error}")
            continue
        faults += check_anchor(digests, Head(**card.get("log_head", {})), f"the bundle of version {version}")
    return faults + list(check_findings(log.of(Checked)))


def check_commits() -> Iterator[str]:
    """Commits of the table that a power failure left empty: the library takes them for not made."""
    for file in sorted(Path(DECISIONS.address).glob("_delta_log/*.json")):  # none of a store elsewhere
        if not file.stat().st_size:
            yield f"{file} is empty: the newest decision may be lost; restore it from a backup"


def check_chain(rows: pl.DataFrame) -> Iterator[str]:
    """Entries that do not follow the one before."""
    before = ""
    for number, row in enumerate(rows.iter_rows(named=True), 1):
        if row["number"] != number:
            yield f"entry {number} is missing or doubled"
            return
        if row["before"] != before:
            yield f"entry {number - 1} was changed, or entry {number} was: the chain breaks between them"
        try:
            entry = parse_entry(number, row["entry"])
        except InputError as error:
            yield str(error)
        else:
            for name in ("number", "kind", "made_at"):
                if getattr(entry, name) != row[name]:
                    yield f"entry {number} says another {name} than the column beside it"
        before = digest(row)


def check_anchor(digests: list[str], head: Head, where: str) -> Iterator[str]:
    """Whether the log still holds what was its head when it was kept elsewhere."""
    if head.number > len(digests):
        yield f"{where} knows of entry {head.number}, but the log ends at {len(digests)}: entries were cut off"
    elif head.number and digests[head.number - 1] != head.digest:
        yield f"{where} knows another entry {head.number} than the log: entries up to it were changed"


def check_findings(checks: list[Checked]) -> Iterator[str]:
    """The files of window checks that are missing or changed."""
    for entry in checks:
        try:
            read_json("findings", entry.findings)
        except InputError as error:
            yield f"entry {entry.number}: {error}"
