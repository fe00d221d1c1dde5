"""What is in quarantine, and why: ml quarantine"""

import json
from typing import Annotated

import polars as pl
from cyclopts import Parameter

from tasks.core.errors import InputError, counted
from tasks.core.provenance import is_reason
from tasks.core.use_case import load_tables
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import FILE, NOTHING_FITS, Chosen, dismiss, read_quarantine
from tasks.data.rules import put_in_words
from tasks.features.table import Table, Tables
from tasks.operations.options import Json, UsageError
from tasks.operations.terminal import say, say_json, say_table

WIDTH = 120  # characters of a reason or an example


def quarantine(
    *,
    rule: Annotated[str | None, Parameter(help="only rows that break this one, each of them")] = None,
    file: Annotated[str | None, Parameter(help="only this one, and each row that came with it")] = None,
    dismiss_as: Annotated[
        str | None,
        Parameter(name="--dismiss", help="why these need no mend: not listed or replayed any more, which is final"),
    ] = None,
    as_json: Json = False,
) -> None:
    """The rows and files that are in no data version, by reason, with counts and examples.

    `ml replay` checks them again after a rule or a source was mended.
    """
    if dismiss_as is not None and as_json:
        raise UsageError("--json: a dismissal lists nothing")
    chosen = Chosen(rule, file and file.removeprefix("landing/"))
    entries = read_quarantine(read_current_ledger(), chosen)
    if dismiss_as is not None:
        dismiss_entries(entries, dismiss_as, chosen)
    elif as_json:
        say_json(entries.rows(named=True))
    elif entries.is_empty():
        say(NOTHING_FITS if rule or file else "nothing is in quarantine")
    elif rule or file:
        tables = load_tables()
        for entry in entries.iter_rows(named=True):
            say(*describe(entry, tables).split("\n"))
    else:
        tables = load_tables()
        say_table([sum_up(found, tables) for found in by_reason(entries)])
        say("`ml quarantine --file FILE` or `--rule RULE` shows all of it; `ml replay` checks again, after a mend")


def dismiss_entries(entries: pl.DataFrame, reason: str, chosen: Chosen) -> None:
    """Dismiss a file with its rows, or the rows that break a rule; a whole file goes by its name alone.

    Raises:
        InputError: Nothing was chosen, nothing fits, or no reason is given.
    """
    if chosen == Chosen():
        raise InputError("say what to dismiss: --rule RULE or --file FILE, as `ml quarantine` lists them")
    if not is_reason(reason):
        raise InputError("say why they need no mend: --dismiss REASON")
    if chosen.file is None:
        entries = entries.filter(pl.col("position") != FILE)
    if entries.is_empty():
        raise InputError(NOTHING_FITS)
    dismissed = counted(dismiss(entries, reason), "entry", "entries")
    say(f"{dismissed} dismissed: no longer listed or replayed, kept in the tables quarantine and dismissed")


def by_reason(entries: pl.DataFrame) -> list[dict]:
    """For each table and reason the number of rows or files, an example, and since when; the most first."""
    kinds = entries.with_columns(whole=pl.col("position") == FILE)
    reasons = kinds.group_by("table", "reason", "whole", maintain_order=True).agg(
        pl.len().alias("count"), pl.first("file"), pl.first("row"), pl.min("found_at").alias("since")
    )
    return reasons.sort("whole", "count", descending=[False, True]).rows(named=True)


def sum_up(found: dict, tables: Tables) -> dict[str, str]:
    """A line for a reason."""
    table = tables.get(found["table"])
    return {
        "table": found["table"],
        "count": counted(found["count"], "file" if found["whole"] else "row"),
        "since": f"{found['since']:%Y-%m-%d %H:%M}",
        "reason": cut(found["reason"] if found["whole"] else explain(found["reason"], table)),
        "example": cut(found["file"] if found["whole"] else worst_first(found, table)),
    }


def describe(entry: dict, tables: Tables) -> str:
    """A paragraph for an entry."""
    if entry["position"] == FILE:
        return f"{entry['file']} was set aside: {entry['reason']}"
    table = tables.get(entry["table"])
    why, row = explain(entry["reason"], table), cut(worst_first(entry, table), 2_000)
    return f"{entry['file']}, row {entry['position']}: {why}\n  {row}"


def explain(reason: str, table: Table | None) -> str:
    return ", ".join(put_in_words(table, rule) for rule in reason.split(", "))


def worst_first(entry: dict, table: Table | None) -> str:
    """The row of an entry, as JSON: first the columns that its rules name, then its key."""
    row = json.loads(entry["row"])
    named = [rule.rpartition("|")[0] for rule in entry["reason"].split(", ")]
    first = [column for column in (*named, *(table.key if table else [])) if column in row]
    return json.dumps({column: row[column] for column in (*dict.fromkeys(first), *row)}, ensure_ascii=False)


def cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else f"{text[:width]}..."


if __name__ == "__main__":
    from flows.cli import main

    main("quarantine")
