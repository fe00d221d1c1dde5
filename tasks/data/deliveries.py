"""Deliveries: the landed files that no version holds yet, read one by one in the order of their arrival."""

import json
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl

from tasks.core.errors import DataError, InputError, first_line
from tasks.core.files import atomic_write
from tasks.core.handover import SENT
from tasks.core.store import sha256
from tasks.core.workspace import workspace
from tasks.data.folders import Found
from tasks.data.formats import Raw, hive_keys, read_raw
from tasks.data.ledger import landed_files
from tasks.data.places import Places
from tasks.data.quarantine import BadFile, read_bad_files
from tasks.data.sources.bookmarks import is_of_source
from tasks.features.table import POLARS_ERRORS, Tables

STILL = timedelta(seconds=1)  # a file that changed so recently may still be written
MARK = ["file", "size", "modified"]  # by which a content is known again without reading it
NOWHERE = "-"  # the table of a file that lies in no folder


class Delivery(NamedTuple):
    """A landed file with rows."""

    table: str
    digest: str
    file: Found
    raw: Raw
    positions: pl.Series | None = None  # of rows that were in quarantine, in the file that they came with


NOTHING = Raw(pl.DataFrame(), frozenset())  # a delivery that was not opened yet


class Trouble(NamedTuple):
    """Why something cannot be looked at; the next run tries again."""

    sentence: str


Opened = Delivery | BadFile | Trouble


def open_news(places: Places, tables: Tables, ledger: pl.DataFrame, unread: Collection[str] = ()) -> Iterator[Opened]:
    """Each file whose content is neither in the data nor in quarantine; a bad one stops no other.

    Args:
        places: Where files lie.
        tables: As the contract declares them.
        ledger: Of the current version.
        unread: Tables whose rows still come: the files of others that refer to them wait.

    Raises:
        InputError: The landing place cannot be looked at, or does not answer in time.
    """
    listing = places.list()
    yield from map(Trouble, listing.troubles)
    done, bad = landed_files(ledger).select("table", "digest"), read_bad_files()
    again, seen = [], set()
    marks = known_marks(ledger)
    news = find_news(listing.files, tables, marks, done, bad)
    news = news.filter(~pl.col("table").is_in(list(waiting(tables, unread))))
    wait_until_still(news)
    for table, file, content in read_news(places, news):
        if isinstance(content, Trouble):
            yield content
            continue
        name = file.name
        digest = digest_of(name, content)
        known = (
            done.filter(table=table, digest=digest).height + bad.filter(table=table, digest=digest, file=name).height
        )
        if known or (table, digest) in seen:
            again.append((*file, digest))
            continue
        opened = open_file(places, tables, Delivery(table, digest, file, NOTHING), content)
        if isinstance(opened, Delivery):  # under another name it may be readable
            seen.add((table, digest))
        yield opened
    if again:
        print(f"{len(again):,} files hold what was taken in, or set aside, before: they are no news")
        keep_marks(marks, again)


def read_news(places: Places, news: pl.DataFrame) -> Iterator[tuple[str, Found, bytes | Trouble]]:
    """Table, file and content of each; those that are being written are left out, and all of a place that hangs."""
    hung = []
    for done, (table, *facts) in enumerate(news.select("table", *MARK).iter_rows()):
        file = Found(*facts)
        place = places.place_of(file.name)
        if place in hung:
            continue
        try:
            content = read_file(places, file)
        except InputError as hanging:  # each of its others may hang as long
            hung.append(place)
            waiting = sum(places.place_of(name) is place for name in news["file"][done:])
            yield table, file, Trouble(f"{hanging}; {waiting} files wait for the next run")
            continue
        if content is None:
            print(f"{places.address(file.name)} is being written or was taken away: the next run looks again")
        else:
            yield table, file, content


def find_news(
    files: pl.DataFrame, tables: Tables, marks: pl.DataFrame, done: pl.DataFrame, bad: pl.DataFrame
) -> pl.DataFrame:
    """The files whose content is not known to be done with, by arrival; what others refer to comes before them."""
    listed = files.join(marks, on=MARK, how="left", maintain_order="left")
    listed = listed.with_columns(table=pl.col("file").str.extract("^([^/]*)/").fill_null(NOWHERE))
    news = listed.join(done, on=["table", "digest"], how="anti", maintain_order="left")
    news = news.join(bad, on=["table", "digest", "file"], how="anti", maintain_order="left")
    return news.sort(pl.col("table").replace_strict(depths(tables), default=0), maintain_order=True)


def waiting(tables: Tables, unread: Collection[str]) -> set[str]:
    """The tables that refer to those, also by way of others."""
    found: set[str] = set()
    for _ in tables:
        behind = {*unread, *found}
        found |= {
            name for name, table in tables.items() if any(other in behind for other, _ in table.references.values())
        }
    return found


def depths(tables: Tables) -> dict[str, int]:
    """How many tables stand one behind the other that each refers to; of those in a circle no order is right."""
    found = dict.fromkeys(tables, 0)
    for _ in tables:
        for name, table in tables.items():
            found[name] = max([found[name], *(found[other] + 1 for other, _ in table.references.values())])
    return found


def was_sent(name: str) -> bool:
    """Whether a file holds rows that were sent to an endpoint."""
    return PurePosixPath(name).name.startswith(SENT)


def digest_of(name: str, content: bytes) -> str:
    """What tells a content from others; folders such as region=north are part of it.

    The name of a file of an endpoint is, too: rows that were sent anew are news, after another value came between.
    """
    if was_sent(name):
        return sha256(content + PurePosixPath(name).name.encode())
    keys = hive_keys(name)
    return sha256(content + json.dumps(keys, sort_keys=True).encode() if keys else content)


def read_file(places: Places, file: Found) -> bytes | None | Trouble:
    """The content of a file; None if it is still being written.

    Raises:
        InputError: It does not answer in time.
    """
    try:
        return places.read(file)
    except OSError as error:
        return Trouble(f"{places.address(file.name)} cannot be read: {first_line(error)}")


def wait_until_still(files: pl.DataFrame) -> None:
    """Give a program that copies a file time for its next block: who writes on is seen by the time of the change."""
    newest = files["modified"].max()
    if isinstance(newest, datetime) and timedelta(0) <= datetime.now(UTC) - newest < STILL:
        time.sleep((newest + STILL - datetime.now(UTC)).total_seconds())


def open_file(places: Places, tables: Tables, found: Delivery, content: bytes) -> Delivery | BadFile:
    """The rows of a file, or why it is set aside."""
    name = places.address(found.file.name)
    try:
        if found.table not in tables:
            raise DataError(describe_stray(name, found.table, tables))
        compare_digest(name, sha256(content), places.read_beside(found.file, ".sha256"))
        return found._replace(raw=read_raw(content, found.file.name, tables[found.table].columns))
    except DataError as error:
        return BadFile(found.table, found.digest, found.file.name, arrival(found.file), str(error))


def arrival(file: Found) -> datetime:
    """When a file arrived; a clock that runs ahead must not win for ever, but files of a source come one by one."""
    return file.modified if is_of_source(file.name) else min(file.modified, datetime.now(UTC))


def describe_stray(name: str, table: str, tables: Tables) -> str:
    """What to do about a file of no table."""
    known = ", ".join(tables)
    if table == NOWHERE:
        return f"{name} lies in no table's folder: move it into that of {known}"
    return f"{name}: there is no table {table} in project/contract.py: it declares {known}"


def compare_digest(name: str, digest: str, said: bytes | None) -> None:
    """Refuse a file that is not the one whose sha256 was delivered with it."""
    if said is not None and said.split()[:1] != [digest.encode()]:
        raise DataError(f"{name} is not the file that its .sha256 was made of: deliver both again")


def known_marks(ledger: pl.DataFrame) -> pl.DataFrame:
    """The digest of each content that was read before, by name, size and time."""
    kept = [landed_files(ledger).select(*MARK, "digest")]
    with suppress(OSError, *POLARS_ERRORS):  # it is made again
        kept.append(pl.read_parquet(workspace().marks))
    return pl.concat(kept).unique(MARK, keep="last")


def keep_marks(marks: pl.DataFrame, again: list[tuple[str, int, datetime, str]]) -> None:
    """Remember contents that came again, so that the next run need not read them."""
    with atomic_write(workspace().marks) as part:
        pl.concat([marks, pl.DataFrame(again, schema=marks.schema, orient="row")]).write_parquet(part)
