"""Checking again what is in quarantine, after a rule or a source was mended; what is valid by now goes in, once."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import polars as pl
from prefect import task

from tasks.core.params import Params
from tasks.core.store import sha256
from tasks.data.conversion import convert
from tasks.data.deliveries import NOTHING, Delivery, Opened, Trouble, open_file, read_file
from tasks.data.formats import Raw
from tasks.data.landing import Found, LandingPlace
from tasks.data.ledger import SCHEMA, read_ledger
from tasks.data.quarantine import ENTRY, FILE, FOUND, Chosen, read_quarantine
from tasks.data.snapshot import Snapshot
from tasks.data.take_in import Intake, Landing, find_lost
from tasks.data.validation import POSITION, check_rows
from tasks.features.table import Tables


@task
def replay(snapshot: Snapshot, tables: Tables, chosen: Chosen, params: Params) -> Landing:
    """Take in what is valid by now; the rest stays in quarantine.

    Args:
        snapshot: The current version.
        tables: As the contract declares them.
        chosen: Which entries are looked at.
        params: The settings; `ingest`, `data` and `validation` count here.
    """
    entries, intake = read_quarantine(read_ledger(snapshot.files), chosen), Intake(snapshot, tables, params)
    known = entries.filter(pl.col("table").is_in(list(tables)))
    for opened in (*open_files(entries, tables, params), *open_rows(known)):
        intake.take(opened)
    landing = intake.end()
    return landing._replace(ledger=pl.concat([landing.ledger, settle_found(known, tables)]))


def open_files(entries: pl.DataFrame, tables: Tables, params: Params) -> Iterator[Opened]:
    """The files that were set aside, read again from where they landed."""
    place = LandingPlace(params.ingest.source)
    for entry in entries.filter(position=FILE).iter_rows(named=True):
        yield open_again(place, entry, tables, params.data.timeout)


def open_again(place: LandingPlace, entry: dict, tables: Tables, limit: timedelta) -> Opened:
    """A file that was set aside, if it still is the same."""
    name, listed = entry["file"], place.find(entry["file"])
    content = read_file(place, listed, limit) if listed else None
    if isinstance(content, Trouble):
        return content
    if listed is None or content is None or sha256(content) != entry["digest"]:
        return Trouble(f"{place.source}/{name} is no longer the file that was set aside: deliver it again")
    file = listed._replace(modified=entry["arrived_at"])
    return open_file(place, tables, Delivery(entry["table"], entry["digest"], file, NOTHING), content)


def open_rows(entries: pl.DataFrame) -> Iterator[Delivery]:
    """The rows of each landed file."""
    of_files = entries.filter(pl.col("position") != FILE, pl.col("file") != FOUND)
    for (table, digest), rows in of_files.group_by("table", "digest", maintain_order=True):
        file = Found(rows["file"][0], 0, rows["arrived_at"][0])
        yield Delivery(str(table), str(digest), file, parse_rows(rows["row"]), rows["position"])


def parse_rows(rows: pl.Series) -> Raw:
    """Rows as they came, from JSON."""
    columns = dict.fromkeys(json.loads(rows[0]), pl.String)
    parsed = pl.read_ndjson(io.BytesIO("\n".join(rows).encode()), schema=columns)
    return Raw(parsed, frozenset(parsed.columns))


def settle_found(entries: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Entries of rows that were found in data/ and are valid by now: there they are, so nothing has to go in."""
    settled = [pl.DataFrame(schema=SCHEMA)]
    for (table,), rows in entries.filter(file=FOUND).group_by("table"):
        converted = convert(parse_rows(rows["row"]), tables[str(table)], FOUND)
        numbered = converted.rows.with_row_index(POSITION).join(find_lost(converted.lost), on=POSITION, how="anti")
        valid = rows[check_rows(tables[str(table)], str(table), numbered).valid[POSITION]]
        settled.append(valid.select(*ENTRY, "file"))
    return pl.concat(settled, how="diagonal_relaxed").select(list(SCHEMA))
