"""Rows that break a rule of the contract are told apart from the valid ones: when a file lands, and when it is read."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import DataError, first_line
from tasks.core.moments import POSSIBLE
from tasks.core.params import Validation
from tasks.data.quarantine import quarantine_found
from tasks.features.table import POLARS_ERRORS, TIMES, Table, Tables, to_plain

POSITION = "row number"  # a column that no table has
UNCOMPUTABLE = 1000  # rows whose times cannot be computed that are looked for one by one
SHOWN = 60  # characters of a value in a message


class Count(NamedTuple):
    """What validation found in some rows of a table; accepted + quarantined == read."""

    table: str
    read: int
    quarantined: int
    broken_rules: dict[str, int]


class Checked(NamedTuple):
    """Valid rows, and bad ones with `broken_rules`, all with `row number`; rows that repeat another are in neither."""

    valid: pl.DataFrame
    quarantined: pl.DataFrame


def validate_rows(tables: Tables, table: str, rows: pl.DataFrame, validation: Validation) -> tuple[pl.DataFrame, Count]:
    """The valid rows of a table of data/, and the count; the others go to the table `quarantine`, once.

    Args:
        tables: As the contract declares them.
        table: The name of one.
        rows: The declared columns.
        validation: How many bad rows are tolerated.

    Raises:
        DataError: More of the rows than are tolerated break a rule.
    """
    valid, quarantined = separate_rows(tables, table, rows)
    if quarantined.height > tolerated(rows.height, validation):
        raise DataError(describe(tables[table], table, rows.height, quarantined, validation))
    quarantine_found(table, quarantined)
    return valid, Count(table, rows.height, quarantined.height, count_rules(quarantined))


def tolerated(rows: int, validation: Validation) -> float:
    """So many of these rows may be bad."""
    return max(validation.max_bad_rows, validation.max_bad_share * rows)


def separate_rows(tables: Tables, table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Valid rows, and the others with `broken_rules`, the names of the rules they break."""
    checked = check_rows(tables[table], table, rows)
    return checked.valid.drop(POSITION), checked.quarantined.drop(POSITION)


def check_rows(table: Table, name: str, rows: pl.DataFrame, horizon: tuple[datetime, datetime] = POSSIBLE) -> Checked:
    """Tell the valid rows from those that break a rule.

    Args:
        table: As the contract declares it.
        name: What messages call it.
        rows: The declared columns, and `row number` where it is not the place in this frame.
        horizon: Between which moments events may lie.

    Raises:
        DataError: The rules of the contract cannot be computed.
    """
    if POSITION not in rows.columns:
        rows = rows.with_row_index(POSITION)
    out_of_time = check_times(table, name, rows, horizon)
    try:
        timely = rows.join(out_of_time, on=POSITION, how="anti", maintain_order="left") if out_of_time.height else rows
        valid, failure = numbered(table.schema).filter(timely, cast=True)
        failed = failure.details()
    except POLARS_ERRORS as error:
        raise DataError(f"{name}: the rules of project/contract.py cannot be computed: {first_line(error)}") from None
    valid, quarantined = forgive_repeated(table, valid, failed)
    others = out_of_time.join(rows, on=POSITION, how="left", maintain_order="left").select(quarantined.columns)
    quarantined = pl.concat([to_plain(quarantined), to_plain(others)], how="vertical_relaxed")
    return Checked(to_plain(valid), quarantined)


@cache
def numbered(schema: Any) -> Any:
    """The schema with the row number beside its columns, so that a bad row can be found in its file."""
    import dataframely as dy

    return type(schema.__name__, (schema,), {POSITION: dy.UInt32()})


def forgive_repeated(table: Table, valid: pl.DataFrame, failed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that are the same in every column count once; of those that share a key alone nobody can tell the right one.

    Returns:
        The valid rows, and the others with `broken_rules`.
    """
    rules = [rule for rule in failed.columns if rule not in valid.columns]
    if "primary_key" in rules:
        twice = failed.filter(pl.col("primary_key") == "invalid")
        once = twice.unique(list(table.columns), keep="first", maintain_order=True)
        alone = once.filter(~once.select(table.key).is_duplicated())[POSITION]
        repeats = twice.join(once, on=POSITION, how="anti")[POSITION]
        pardoned = pl.when(~pl.col(POSITION).is_in(alone.implode())).then("primary_key")
        failed = failed.filter(~pl.col(POSITION).is_in(repeats.implode())).with_columns(pardoned.alias("primary_key"))
    names = [pl.when(pl.col(rule) == "invalid").then(pl.lit(rule)) for rule in rules]
    failed = failed.select(*valid.columns, pl.concat_list(names).list.drop_nulls().alias("broken_rules"))
    right = failed.filter(pl.col("broken_rules").list.len() == 0).drop("broken_rules")
    if right.height:
        valid = pl.concat([valid, right.cast(valid.schema)]).sort(POSITION)
    return valid, failed.filter(pl.col("broken_rules").list.len() > 0)


def check_times(table: Table, name: str, rows: pl.DataFrame, horizon: tuple[datetime, datetime]) -> pl.DataFrame:
    """The numbers of the rows whose times cannot be computed, or lie out of the horizon, with `broken_rules`."""
    times = [getattr(table, part).alias(part) for part in TIMES if getattr(table, part) is not None]
    nowhere = find_uncomputable(name, rows, times) if times else []
    found = [pl.Series(POSITION, nowhere, pl.UInt32).to_frame().with_columns(broken_rules=pl.lit("times"))]
    start = table.row_known_at if table.event_time is None else table.event_time
    if start is not None:
        computable = rows.filter(~pl.col(POSITION).is_in(nowhere)) if nowhere else rows
        inside = start.is_between(*horizon)
        outside = inside.not_() if table.event_time is None else inside.not_() | start.is_null()
        far = computable.filter(outside).select(POSITION, broken_rules=pl.lit("horizon"))
        found.append(far)
    return pl.concat(found).with_columns(pl.concat_list("broken_rules"))


def find_uncomputable(name: str, rows: pl.DataFrame, times: Sequence[pl.Expr]) -> list[int]:
    """The numbers of the rows that no times can be computed of, such as those of 30 February."""
    found, rest = [], [rows]
    while rest:
        part = rest.pop()
        try:
            part.select(times)
        except POLARS_ERRORS as error:
            if len(found) == UNCOMPUTABLE:
                raise DataError(f"{name}: its times cannot be computed: {first_line(error)}") from None
            half = part.height // 2
            if half:
                rest += [part[:half], part[half:]]
            else:
                found.append(part[POSITION][0])
    return sorted(found)


def count_rules(quarantined: pl.DataFrame) -> dict[str, int]:
    """How many rows break each rule, most broken first."""
    rules = quarantined["broken_rules"].explode().value_counts().sort("count", "broken_rules", descending=[True, False])
    return dict(rules.iter_rows())


def describe(table: Table, name: str, read: int, quarantined: pl.DataFrame, validation: Validation) -> str:
    """One sentence: table, rules with counts, and an example by its key and the value that breaks the rule."""
    counts = count_rules(quarantined)
    worst = next(iter(counts))
    shown = [column for column in quarantined.columns if column in (*table.key, worst.split("|")[0])]
    first = quarantined.filter(pl.col("broken_rules").list.contains(worst)).head(1).select(shown)
    example = spell_out_endless(first).row(0, named=True)
    values = ", ".join(f"{column}={shorten(example[column])}" for column in shown)
    rules = ", ".join(f"{rule} ({count} rows)" for rule, count in counts.items())
    return (
        f"{name}: {quarantined.height} of {read} rows break the contract, more than validation.max_bad_share "
        f"{validation.max_bad_share:g} and max_bad_rows {validation.max_bad_rows} allow: {rules}; for example {values}"
    )


def shorten(value: Any) -> str:
    """A value of a message."""
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
