"""Taking deliveries in: valid rows are merged into the data, others go to quarantine, every row is accounted for."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import polars as pl
from prefect import task

from tasks.core.errors import DataError, InputError
from tasks.core.params import Params
from tasks.data.arrivals import ARRIVED
from tasks.data.conversion import convert
from tasks.data.deliveries import Delivery, Opened, Trouble, arrival, was_sent
from tasks.data.horizon import Span, find_horizon, find_span, measure, start_of
from tasks.data.ledger import SCHEMA
from tasks.data.merge import Change, Merge, fold
from tasks.data.plausibility import find_outliers, refuse_orphans
from tasks.data.quarantine import FILE, BadFile, quarantine_files, quarantine_rows, read_entries
from tasks.data.snapshot import Snapshot
from tasks.data.validation import POSITION, check_rows, describe, tolerated
from tasks.features.table import Table, Tables

AGE, VERSIONS = "age of the version (ingest)", 50  # of a row in one file that are looked at, the newest first
TELL = 10  # seconds between two lines of progress


class Landing(NamedTuple):
    """What came of some deliveries."""

    files: dict[str, pl.DataFrame]  # of data/ that hold other rows, by name
    arrivals: dict[str, pl.Series]  # when the rows of the other files arrived, where that moved
    ledger: pl.DataFrame  # entries that the next version's ledger has beside those of this one
    changes: list[Change]  # one for each file that went in
    bad: list[BadFile]  # set aside
    troubles: list[str]  # what could not be looked at
    spans: dict[str, Span | None]  # first and last event that landed, by table


class Intake:
    """The data while deliveries are taken in, one by one."""

    def __init__(self, snapshot: Snapshot, tables: Tables, params: Params) -> None:
        self.merge, self.params = Merge(snapshot, tables), params
        self.changes: list[Change] = []
        self.bad: list[BadFile] = []
        self.troubles: list[str] = []
        self.entries: list[dict[str, Any]] = []  # of the ledger
        self.broken: dict[tuple[str, str], set[int]] = {}  # quarantined rows, by table and digest of the file
        self.before: dict[str, Span | None] = {}
        self.spans: dict[str, Span | None] = {}

    def take(self, opened: Opened) -> None:
        """Take in one file; what is wrong with it keeps no other out."""
        if isinstance(opened, Trouble):
            self.troubles.append(opened.sentence)
        elif isinstance(opened, BadFile):
            self.bad.append(opened)
        else:
            self._try(opened)

    def _try(self, delivery: Delivery) -> None:
        try:
            self._take_in(delivery)
        except DataError as error:
            if delivery.positions is None:
                self.bad.append(BadFile(*delivery[:2], delivery.file.name, arrival(delivery.file), str(error)))
            else:
                self.troubles.append(str(error))
        except InputError as error:  # what is there already does not fit: the next run tries again
            self.troubles.append(f"{delivery.file.name} waits: {error}")

    def end(self) -> Landing:
        """Set the bad files aside and settle the accounts."""
        quarantine_files(self.bad)
        ledger = pl.DataFrame([*self.entries, *self._left_quarantine()], schema=SCHEMA)
        return Landing(*self.merge.changed(), ledger, self.changes, self.bad, self.troubles, self.spans)

    def _take_in(self, delivery: Delivery) -> None:
        valid, broken = self._check(delivery)
        if delivery.positions is None:
            self._refuse_many(delivery, broken)
        elif valid.is_empty():
            return
        refuse_orphans(self.merge, delivery.table, delivery.file.name, valid)
        arrived = arrival(delivery.file)
        counts = self.merge.add(delivery.table, valid.drop(POSITION).with_columns(pl.lit(arrived).alias(ARRIVED)))
        self._note_span(delivery.table, valid)
        read = delivery.raw.rows.height
        repeated = read - valid.height - broken.height
        counts = counts._replace(unchanged=counts.unchanged + repeated)
        self.changes.append(Change(delivery.table, delivery.file.name, read, broken.height, *counts))
        entry = {"table": delivery.table, "digest": delivery.digest, "file": delivery.file.name}
        if delivery.positions is not None:
            left = delivery.positions.filter(~pl.int_range(read, eager=True).is_in(broken[POSITION].implode()))
            self.entries += [entry | {"position": position} for position in left]
            return
        quarantine_rows(BadFile(*delivery[:2], delivery.file.name, arrived, ""), delivery.raw.rows, broken)
        self.broken[delivery.table, delivery.digest] = set(broken[POSITION])
        size, modified = delivery.file.size, delivery.file.modified
        facts = {"size": size, "modified": modified, "rows": read, "quarantined": broken.height}
        self.entries.append(entry | {"position": FILE} | facts)

    def _check(self, delivery: Delivery) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The valid rows, with `row number`; and the number and `broken_rules` of the others."""
        table, name = self.merge.tables[delivery.table], delivery.file.name
        converted = convert(delivery.raw, table, name, self.params.ingest.time_zone)
        rows, lost = converted.rows.with_row_index(POSITION), find_lost(converted.lost)
        sound = rows.join(lost, on=POSITION, how="anti", maintain_order="left") if lost.height else rows
        horizon = find_horizon(self._span(delivery.table), table, sound, self.params.validation)
        checked = [check_rows(table, name, layer, horizon) for layer in part_versions(sound, table)]
        valid = fold(pl.concat([each.valid for each in checked]), table) if len(checked) > 1 else checked[0].valid
        broken = [lost, *(each.quarantined.select(POSITION, "broken_rules") for each in checked)]
        if self.params.validation.outliers is not None:
            far = find_outliers(self.merge, delivery.table, valid, self.params.validation.outliers)
            valid, broken = valid.join(far, on=POSITION, how="anti", maintain_order="left"), [*broken, far]
        return valid, pl.concat(broken)

    def _refuse_many(self, delivery: Delivery, broken: pl.DataFrame) -> None:
        """Set a file aside of whose rows too many are bad; rows that were sent one by one stand alone."""
        raw, validation = delivery.raw.rows, self.params.validation
        if was_sent(delivery.file.name):
            return
        if broken.height > tolerated(raw.height, validation):
            examples = raw[broken[POSITION]].with_columns(broken["broken_rules"])
            table = self.merge.tables[delivery.table]
            raise DataError(describe(table, delivery.file.name, raw.height, examples, validation))

    def _span(self, table: str) -> Span | None:
        """The first and last event of a table, with what landed so far."""
        if table not in self.before:
            self.before[table] = find_span(self.merge, table)
        return join_spans(self.before[table], self.spans.get(table))

    def _note_span(self, table: str, valid: pl.DataFrame) -> None:
        start = start_of(self.merge.tables[table])
        landed = None if start is None else measure(valid.select(start.alias("start"))["start"])
        self.spans[table] = join_spans(self.spans.get(table), landed)

    def _left_quarantine(self) -> list[dict[str, Any]]:
        """Rows of these files that an earlier run quarantined, before it was killed, and that are valid by now."""
        found = read_entries(self.broken) if self.broken else pl.DataFrame()
        left = [e for e in found.iter_rows(named=True) if e["position"] not in self.broken[e["table"], e["digest"]]]
        kept = found.height - len(left)
        assert kept == sum(map(len, self.broken.values())), f"quarantine holds {kept} rows of the files that landed"
        assert all(change.read == sum(change[3:]) for change in self.changes), f"rows were lost: {self.changes}"
        return left


@task
def take_in(snapshot: Snapshot, tables: Tables, news: Iterable[Opened], params: Params) -> Landing:
    """Take in each delivery: valid rows are merged, others go to quarantine, and a bad file is set aside.

    Args:
        snapshot: The current version.
        tables: As the contract declares them.
        news: What landed, in the order of its arrival.
        params: The settings; `ingest` and `validation` count here.

    Raises:
        InputError: The landing place cannot be looked at.
    """
    intake, told = Intake(snapshot, tables, params), time.monotonic()
    for number, opened in enumerate(news, 1):
        intake.take(opened)
        if time.monotonic() - told > TELL:
            told = time.monotonic()
            print(f"{number:,} files are read, {len(intake.bad):,} of them set aside")
    return intake.end()


def join_landings(landings: Sequence[Landing]) -> Landing:
    """What came of several landings of one run, without what was published of them already."""
    spans: dict[str, Span | None] = {}
    for landing in landings:
        spans |= {table: join_spans(spans.get(table), span) for table, span in landing.spans.items()}
    changes, bad, troubles = (
        list(dict.fromkeys(each for landing in landings for each in getattr(landing, part)))
        for part in ("changes", "bad", "troubles")
    )
    return Landing({}, {}, pl.DataFrame(schema=SCHEMA), changes, bad, troubles, spans)


def part_versions(rows: pl.DataFrame, table: Table) -> list[pl.DataFrame]:
    """Rows of which no two are versions of one: the newest of each, those before them, and so on, to the 50th."""
    if table.version is None:
        return [rows]
    age = pl.col(table.version).rank("dense", descending=True).over(table.key).fill_null(1)
    parts = rows.with_columns(age.alias(AGE)).filter(pl.col(AGE) <= VERSIONS).sort(AGE, maintain_order=True)
    return [part.drop(AGE) for part in parts.partition_by(AGE, maintain_order=True)] or [rows]


def find_lost(lost: pl.DataFrame) -> pl.DataFrame:
    """The number of each row with a value that is not one of the declared type, and `broken_rules`."""
    names = [pl.when(pl.col(column)).then(pl.lit(f"{column}|dtype")) for column in lost.columns]
    broken = pl.concat_list(names or [pl.lit(None, pl.String)]).list.drop_nulls()
    found = lost.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias(POSITION), broken.alias("broken_rules"))
    return found.filter(pl.col("broken_rules").list.len() > 0)


def join_spans(one: Span | None, other: Span | None) -> Span | None:
    """From the first of both to the last."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])
