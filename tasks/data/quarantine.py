"""Where rows and files are kept that cannot be used, with the reason and what to do."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from tasks.core.provenance import who
from tasks.core.store import sha256
from tasks.core.tables import Table, as_json, insert_new, literal, read_rows

ENTRY = ["table", "digest", "position"]
FILE = -1  # the position of an entry that is about a whole file
NOTHING_FITS = "nothing in quarantine fits: `ml quarantine` lists all"
FOUND = "data/"  # the file of rows that were found there, as after `dvc add data`
QUARANTINE = Table(
    "quarantine",
    {
        "table": pl.String,
        "digest": pl.String,  # sha256 of the file; of the row where it was found in data/
        "position": pl.Int64,  # of the row in the file; -1 is the whole file
        "file": pl.String,
        "reason": pl.String,  # of a row the rules that it breaks, joined by a comma; of a file a sentence
        "row": pl.String,  # as JSON, so that rows of unlike tables, and of other contracts, lie side by side
        "arrived_at": pl.Datetime("us", "UTC"),
        "found_at": pl.Datetime("us", "UTC"),
    },
    key=("table", "digest", "position", "file"),  # what cannot be read under one name may be under another
    partition=("table",),
)
DISMISSED = Table(
    "dismissed",
    {
        **{name: QUARANTINE.schema[name] for name in QUARANTINE.key},
        "reason": pl.String,
        "by": pl.String,
        "dismissed_at": pl.Datetime("us", "UTC"),
    },
    key=QUARANTINE.key,
    partition=("table",),
)


class BadFile(NamedTuple):
    """A file that was set aside."""

    table: str
    digest: str
    file: str
    arrived_at: datetime
    reason: str


class Chosen(NamedTuple):
    """Which entries are meant; None means all."""

    rule: str | None = None  # that rows break, such as distance|min
    file: str | None = None  # that they came with, as `ml quarantine` names it


def quarantine_found(table: str, quarantined: pl.DataFrame) -> None:
    """Keep rows of data/ that break a rule, each content once."""
    if quarantined.is_empty():
        return
    found = quarantined.select(reason=reasons(), row=as_json(quarantined.drop("broken_rules")))
    digests = [sha256(f"{table} {row}".encode()) for row in found["row"]]
    insert(found.with_columns(digest=pl.Series(digests), position=0, file=pl.lit(FOUND), table=pl.lit(table)))


def quarantine_rows(bad: BadFile, raw: pl.DataFrame, broken: pl.DataFrame) -> None:
    """Keep rows of a landed file as they came.

    Args:
        bad: The file; its reason is not looked at.
        raw: All rows of the file.
        broken: `row number` in the file, and `broken_rules`.
    """
    if broken.height:
        exact = pl.selectors.datetime("ns").dt.to_string("iso:strict")  # as JSON holds microseconds
        rows = as_json(raw[broken["row number"]].with_columns(exact))
        facts = {name: pl.lit(value) for name, value in bad._asdict().items() if name != "reason"}
        insert(broken.select(reason=reasons(), position=pl.col("row number").cast(pl.Int64), row=rows, **facts))


def quarantine_files(bad: Iterable[BadFile]) -> None:
    """Set whole files aside; they stay where they are, too."""
    if rows := [file._asdict() for file in bad]:
        insert(pl.DataFrame(rows).with_columns(position=pl.lit(FILE)))


def insert(rows: pl.DataFrame) -> None:
    insert_new(QUARANTINE, rows.with_columns(found_at=pl.lit(datetime.now(UTC))))


def reasons() -> pl.Expr:
    return pl.col("broken_rules").list.join(", ")


def read_bad_files() -> pl.DataFrame:
    """Table, digest and name of each file that was set aside."""
    return read_rows(QUARANTINE, f"position = {FILE}", ["table", "digest", "file"])


def read_entries(files: Iterable[tuple[str, str]]) -> pl.DataFrame:
    """Table, digest and position of the rows of some files.

    Args:
        files: Table and digest of each.
    """
    these = pl.DataFrame(list(files), schema=["table", "digest"], orient="row")
    among = ", ".join(map(literal, these["table"].unique()))
    rows = read_rows(QUARANTINE, f"position >= 0 AND table IN ({among})", ENTRY)
    return rows.unique(ENTRY).join(these, on=["table", "digest"], how="semi")


def dismiss(entries: pl.DataFrame, reason: str) -> int:
    """Leave entries out of what is listed and checked again; they stay in the table. Returns how many."""
    facts = {"reason": pl.lit(reason), "by": pl.lit(who()), "dismissed_at": pl.lit(datetime.now(UTC))}
    return insert_new(DISMISSED, entries.select(DISMISSED.key).with_columns(**facts))


def read_quarantine(
    ledger: pl.DataFrame,
    chosen: Chosen = Chosen(),  # noqa: B008
    with_neighbours: bool = False,
) -> pl.DataFrame:
    """The entries that are neither in the data version of a ledger nor dismissed, the oldest first.

    A file that landed anew under the name of one that was set aside takes its place.

    Args:
        ledger: Of the version.
        chosen: Only these.
        with_neighbours: Also the other rows of their files: whether two share a key shows only together.
    """
    dismissed = read_rows(DISMISSED, columns=DISMISSED.key)
    entries = read_rows(QUARANTINE).join(ledger, on=ENTRY, how="anti").join(dismissed, on=DISMISSED.key, how="anti")
    landed = ledger.filter(position=FILE).group_by("table", "file").agg(pl.max("modified").alias("anew"))
    entries = entries.join(landed, on=["table", "file"], how="left").filter(
        (pl.col("position") != FILE) | pl.col("anew").is_null() | (pl.col("anew") < pl.col("arrived_at"))
    )
    rows, files = entries.filter(pl.col("position") != FILE).unique(ENTRY), entries.filter(position=FILE)
    if chosen.rule is not None:
        mine = rows.filter(pl.col("reason").str.split(", ").list.contains(chosen.rule))
        rows = rows.join(mine, on=["table", "digest"], how="semi") if with_neighbours else mine
        files = files.filter(pl.col("reason").str.contains(chosen.rule, literal=True))
    found = pl.concat([rows, files]).drop("anew").sort("arrived_at", "file", "position", nulls_last=True)
    return found if chosen.file is None else found.filter(file=chosen.file)
