"""Checking again what is in quarantine, after a rule or a source was mended; what is valid by now goes in, once."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
from prefect import task

from tasks.core.errors import DataError, InputError
from tasks.core.params import Params
from tasks.data.conversion import convert
from tasks.data.deliveries import NOTHING, Delivery, Opened, Trouble, depths, digest_of, open_file, read_file
from tasks.data.folders import Found
from tasks.data.formats import Raw
from tasks.data.ledger import SCHEMA, read_ledger
from tasks.data.places import Places
from tasks.data.quarantine import ENTRY, FILE, FOUND, NOTHING_FITS, Chosen, read_quarantine
from tasks.data.snapshot import Snapshot
from tasks.data.sources.declared import open_places
from tasks.data.take_in import Intake, Landing, find_lost
from tasks.data.validation import POSITION, check_rows
from tasks.features.table import Table, Tables


@task
def replay(snapshot: Snapshot, tables: Tables, chosen: Chosen, params: Params) -> Landing:
    """Take in what is valid by now; the rest stays in quarantine.

    Args:
        snapshot: The current version.
        tables: As the contract declares them.
        chosen: Which entries are looked at.
        params: The settings; `ingest`, `data` and `validation` count here.

    Raises:
        InputError: Something was chosen, and nothing fits.
    """
    entries = read_quarantine(read_ledger(snapshot.files), chosen, with_neighbours=True)
    if chosen != Chosen() and entries.is_empty():
        raise InputError(NOTHING_FITS)
    intake = Intake(snapshot, tables, params)
    known = entries.filter(pl.col("table").is_in(list(tables)))
    order = depths(tables)
    opened = [*open_files(entries, tables, params), *open_rows(known, tables)]
    for each in sorted(opened, key=lambda each: 0 if isinstance(each, Trouble) else order.get(each.table, 0)):
        intake.take(each)
    landing = intake.end()
    return landing._replace(ledger=pl.concat([landing.ledger, *settle_found(known, tables)]))


def open_files(entries: pl.DataFrame, tables: Tables, params: Params) -> Iterator[Opened]:
    """The files that were set aside, read again from where they landed."""
    aside = entries.filter(position=FILE)
    if aside.is_empty():
        return
    places = open_places(params, tables)
    lie = places.list().files
    for entry in aside.join(lie, on="file", how="left").iter_rows(named=True):
        yield open_again(places, entry, tables)


def open_again(places: Places, entry: dict[str, Any], tables: Tables) -> Opened:
    """A file that was set aside, if it still is the same."""
    name, gone = (
        entry["file"],
        Trouble(f"{places.address(entry['file'])} is no longer the file that was set aside: deliver it again"),
    )
    if entry["size"] is None:
        return gone
    content = read_file(places, Found(name, entry["size"], entry["modified"]))
    if isinstance(content, Trouble):
        return content
    if content is None or digest_of(name, content) != entry["digest"]:
        return gone
    file = Found(name, entry["size"], entry["arrived_at"])
    return open_file(places, tables, Delivery(entry["table"], entry["digest"], file, NOTHING), content)


def open_rows(entries: pl.DataFrame, tables: Tables) -> Iterator[Delivery]:
    """The rows of each landed file; what arrived with it, or later, is newer."""
    of_files = entries.filter(pl.col("position") != FILE, pl.col("file") != FOUND)
    for (table, digest), rows in of_files.group_by("table", "digest", maintain_order=True):
        file = Found(rows["file"][0], 0, rows["arrived_at"][0] - timedelta.resolution)
        yield Delivery(str(table), str(digest), file, parse_rows(rows["row"], tables[str(table)]), rows["position"])


def parse_rows(rows: pl.Series, table: Table) -> Raw:
    """Rows as they came, from JSON; a column that the contract has gained since is null."""
    held = {column for row in rows for column in json.loads(row)}
    columns = [name for name, kind in table.columns.items() if name in held or kind.nullable]
    parsed = pl.read_ndjson(io.BytesIO("\n".join(rows).encode()), schema=dict.fromkeys(columns, pl.String))
    return Raw(parsed, frozenset(columns))


def settle_found(entries: pl.DataFrame, tables: Tables) -> Iterator[pl.DataFrame]:
    """Entries of rows that were found in data/ and are valid by now: there they are, so nothing has to go in."""
    for (name,), rows in entries.filter(file=FOUND).group_by("table"):
        table = tables[str(name)]
        try:
            converted = convert(parse_rows(rows["row"], table), table, FOUND)
            numbered = converted.rows.with_row_index(POSITION).join(find_lost(converted.lost), on=POSITION, how="anti")
            valid = rows[check_rows(table, str(name), numbered).valid[POSITION]]
        except DataError as error:
            print(f"rows of {name} that were found in data/ cannot be checked again: {error}")
            continue
        empty = pl.DataFrame(schema=SCHEMA)
        yield pl.concat([empty, valid.select(*ENTRY, "file")], how="diagonal_relaxed").select(empty.columns)
