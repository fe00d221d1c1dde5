"""Rows that break a rule of the contract are set aside with the name of each rule; too many of them stop the run."""

from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from tasks.core.errors import InputError
from tasks.core.params import Validation
from tasks.core.tables import Table, as_json, insert_new
from tasks.features.table import Tables, to_plain

QUARANTINE = Table(
    "quarantine",
    {
        "table": pl.String,
        "row": pl.String,  # as JSON, so that rows of unlike tables, and of other contracts, lie side by side
        "broken_rules": pl.String,  # joined by a comma
        "found_at": pl.Datetime("us", "UTC"),
    },
    key=("table", "row", "broken_rules"),
    partition=("table",),
)


class Count(NamedTuple):
    """What validation found in some rows of a table; accepted + quarantined == read."""

    table: str
    read: int
    quarantined: int
    broken_rules: dict[str, int]


def validate_rows(tables: Tables, table: str, rows: pl.DataFrame, validation: Validation) -> tuple[pl.DataFrame, Count]:
    """The valid rows of a table, and the count; the others go to the table `quarantine`, once.

    Args:
        tables: As the contract declares them.
        table: The name of one.
        rows: The declared columns.
        validation: The maximum share of bad rows.

    Raises:
        InputError: More than validation.max_bad_share of the rows, and more than one, break a rule.
    """
    valid, quarantined = separate_rows(tables, table, rows)
    if quarantined.height > max(1, validation.max_bad_share * rows.height):
        raise InputError(describe(tables, table, rows.height, quarantined, validation.max_bad_share))
    if quarantined.height:
        quarantine(table, quarantined)
    return valid, Count(table, rows.height, quarantined.height, count_rules(quarantined))


def separate_rows(tables: Tables, table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Valid rows, and the others with `broken_rules`, the names of the rules they break."""
    valid, failure = tables[table].schema.filter(rows, cast=True)
    details = failure.details()
    rules = [rule for rule in details.columns if rule not in rows.columns]
    names = [pl.when(pl.col(rule) == "invalid").then(pl.lit(rule)) for rule in rules]
    broken = pl.concat_list(names).list.drop_nulls().alias("broken_rules")
    quarantined = details.select(*rows.columns, broken)
    assert valid.height + quarantined.height == rows.height, f"{table}: rows were lost in validation"
    return to_plain(valid), to_plain(quarantined)


def count_rules(quarantined: pl.DataFrame) -> dict[str, int]:
    """How many rows break each rule, most broken first."""
    rules = quarantined["broken_rules"].explode().value_counts().sort("count", "broken_rules", descending=[True, False])
    return dict(rules.iter_rows())


def describe(tables: Tables, table: str, read: int, quarantined: pl.DataFrame, allowed: float) -> str:
    """One sentence: table, rules with counts, and an example by its key and the value that breaks the rule."""
    counts = count_rules(quarantined)
    worst = next(iter(counts))
    example = quarantined.filter(pl.col("broken_rules").list.contains(worst)).drop("broken_rules").row(0, named=True)
    columns = [*tables[table].key, worst.split("|")[0]]
    shown = ", ".join(f"{column}={value}" for column, value in example.items() if column in columns)
    rules = ", ".join(f"{rule} ({count} rows)" for rule, count in counts.items())
    return (
        f"{table}: {quarantined.height} of {read} rows break the contract, more than validation.max_bad_share "
        f"{allowed:g} allows: {rules}; for example {shown}"
    )


def quarantine(table: str, quarantined: pl.DataFrame) -> None:
    """Keep the rows with the rules they break, once."""
    found = quarantined.select(pl.col("broken_rules").list.join(", "), row=as_json(quarantined.drop("broken_rules")))
    insert_new(QUARANTINE, found.with_columns(table=pl.lit(table), found_at=pl.lit(datetime.now(UTC))))
