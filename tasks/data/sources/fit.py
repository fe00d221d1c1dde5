"""How some rows of a source fit the contract, column by column: the first thing that a new source needs."""

from typing import NamedTuple

import polars as pl

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import DataError, first_line
from tasks.data.conversion import Kind, UnfitError, bring, convert
from tasks.data.formats import Raw
from tasks.data.take_in import find_lost
from tasks.data.validation import POSITION, check_rows
from tasks.features.table import POLARS_ERRORS, Table

SHOWN = 30  # characters of an example


class ColumnFit(NamedTuple):
    """A column of the contract, and what the source gives for it."""

    column: str
    declared: str
    given: str  # its type at the source; "" if it is missing
    example: str
    fit: str  # "ok", or what is wrong


def fit_columns(raw: Raw, table: Table, time_zone: str | None) -> list[ColumnFit]:
    """Each declared column."""
    kinds = table.schema.create_empty().schema
    return [fit_column(raw, table, column, kind, time_zone) for column, kind in kinds.items()]


def fit_column(raw: Raw, table: Table, column: str, declared: pl.DataType, time_zone: str | None) -> ColumnFit:
    if column not in raw.rows.columns:
        return ColumnFit(column, str(declared), "", "", "is missing")
    values = raw.rows[column]
    kind = Kind(values.dtype, declared, column in raw.texts, column in table.dates, time_zone)
    given = "text" if column in raw.texts else str(values.dtype)
    found = ColumnFit(column, str(declared), given, show_first(values.drop_nulls()), "ok")
    try:
        made = raw.rows.select(bring(pl.col(column), kind)).to_series()
    except (UnfitError, *POLARS_ERRORS) as why:
        return found._replace(fit=first_line(why))
    if lost := made.null_count() - values.null_count():
        odd = show_first(values.filter(made.is_null() & values.is_not_null()))
        return found._replace(fit=f"{lost} of {len(values)} cannot be brought to the type, such as {odd!r}")
    if made.null_count() and not table.columns[column].nullable:
        return found._replace(fit=f"{made.null_count()} of {len(values)} are null")
    return found


def show_first(values: pl.Series) -> str:
    """The first value as short text."""
    first = spell_out_endless(values.head(1).to_frame()).to_series()
    return str(next(iter(first), "null"))[:SHOWN]


def broken_rules(raw: Raw, table: Table, time_zone: str | None) -> dict[str, int]:
    """How many rows break each rule of the contract; none where a column does not fit at all."""
    try:
        converted = convert(raw, table, "it", time_zone)
    except DataError:
        return {}
    sound = converted.rows.with_row_index(POSITION).join(find_lost(converted.lost), on=POSITION, how="anti")
    broken = check_rows(table, "it", sound).quarantined["broken_rules"].explode()
    return dict(broken.drop_nulls().value_counts().sort(broken.name).rows())


def undeclared(raw: Raw, table: Table) -> list[str]:
    """The columns that the contract does not declare."""
    return [column for column in raw.rows.columns if column not in table.columns]
