"""What project/contract.py declares of a table: what a valid row is, and when what it says became known."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from tasks.features.durations import parse_duration

TIME = pl.Datetime("us", "UTC")
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)  # the latter is no Exception
LEAST_STEP = 1e-12
RESERVED = {"row number", "broken_rules", "arrived at (ingest)"}  # names of columns beside those of a table
INGEST = "_ingest"  # the folder of data/ in which ingest keeps what it has to know
TIMES = ("event_time", "known_at", "outcomes_known_at")
STEP = 1e-6  # the resolution of a column of fractions whose bounds the contract does not tell
DIGITS = 11  # that the resolution of a bounded column holds


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of data/.

    Args:
        schema: The dataframely schema: what a valid row is, and its primary key.
        event_time: When a row's event is, made of the primary key alone, so that a correction finds its row.
        known_at: When a row became known. Left out: at its event, or where the table is predicted at its prediction
            time; a table without either was always known.
        outcomes: The columns that are told later than the row. A target is made of them; features see them only as
            history, from outcomes_known_at on.
        outcomes_known_at: When a row's outcomes became known; null: not yet, or never.
        known_within: The longest time between a row's event (without one, when it became known) and the times above,
            such as "30d"; what lies further apart is no history. Left out, it follows from min and max of the columns
            that the times are made of.
        resolution: For a column of fractions, the step that it is rounded to before it is summed, so that sums are
            exact, such as {"price": 0.01}. Left out, it follows from min and max, else it is 0.000001.
        version: The column that says which of two deliveries of a row is the newer, such as "updated_at". Left out: the
            one that arrived last.
        dates: Columns of times in which a bare day of a file stands for its 00:00 UTC; elsewhere it is refused.
        references: For a column, the table in which its values are the key, and the share of a file's rows that may
            have no row there, such as {"customer": ("customers", 0.01)}.
    """

    schema: Any
    event_time: pl.Expr | None = None
    known_at: pl.Expr | None = None
    outcomes: Sequence[str] = ()
    outcomes_known_at: pl.Expr | None = None
    known_within: str | None = None
    resolution: Mapping[str, float] = field(default_factory=dict)
    version: str | None = None
    dates: Sequence[str] = ()
    references: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    @cached_property
    def key(self) -> list[str]:
        """The columns that identify a row."""
        return self.schema.primary_key()

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The declared columns by name."""
        return self.schema.columns()

    @cached_property
    def empty(self) -> pl.DataFrame:
        """No rows, with the types in which rows are read."""
        return to_plain(self.schema.create_empty())

    @cached_property
    def outcome_set(self) -> frozenset[str]:
        return frozenset(self.outcomes)

    @property
    def row_known_at(self) -> pl.Expr | None:
        """When a row became known; None: it always was."""
        return self.event_time if self.known_at is None else self.known_at

    def known_from(self, of_outcomes: bool) -> pl.Expr | None:
        """From when on a row, or it with its outcomes, is known; null: not yet, or never; None: always."""
        row, outcomes = self.row_known_at, self.outcomes_known_at
        if row is None or outcomes is None or not of_outcomes:
            return row
        return pl.when(row.is_not_null(), outcomes.is_not_null()).then(pl.max_horizontal(row, outcomes))

    def history_time(self, of_outcomes: bool) -> pl.Expr | None:
        """From when on a row, or it with its outcomes, is history: as known, but within known_within."""
        known = self.known_from(of_outcomes)
        start = self.row_known_at if self.event_time is None else self.event_time
        if known is None or start is None or self.known_within is None:
            return known
        longest = parse_duration(self.known_within)
        return pl.when((known - start).is_between(-longest, longest)).then(known)

    def scale(self, column: str) -> float:
        """How many steps of its resolution a column counts for each 1."""
        if (step := self.resolution.get(column)) is not None:
            return round(1 / step) if step < 1 else 1 / step
        declared = self.columns.get(column)
        bounds = [abs(b) for b in (getattr(declared, "min", None), getattr(declared, "max", None)) if b is not None]
        return 10.0 ** (DIGITS - len(str(int(max(bounds))))) if len(bounds) == 2 else 1 / STEP


Tables = Mapping[str, Table]  # by name, as the contract declares them


def as_known(table: Table, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """The rows that were known before a moment; outcomes that were not known by then are null."""
    if table.row_known_at is not None:
        rows = rows.filter(table.row_known_at < moment)
    if table.outcomes_known_at is None:
        return rows
    told = table.outcomes_known_at < moment
    return rows.with_columns(pl.when(told).then(name).alias(name) for name in table.outcomes)


def to_plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Categorical and Enum columns as String, Decimal as Float64: the types that features are made of."""
    return rows.cast({(pl.Categorical, pl.Enum): pl.String, pl.Decimal: pl.Float64})  # ty: ignore


def check_table(name: str, table: Table) -> None:
    """Refuse a declaration that cannot hold, in one sentence.

    Raises:
        ValueError: It names the table and what to change.
    """
    if not table.key:
        raise ValueError(f"{name}: its schema needs a primary key")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(
            f"{name!r} can be no table: its files lie in a folder of that name, so use letters, digits, _ and -"
        )
    if odd := [column for column in table.columns if column in RESERVED or not column.isprintable()]:
        raise ValueError(f"{name}: {odd[0]!r} cannot be the name of a column: rename it")
    named = [table.version] if table.version else []
    for column in [*table.outcomes, *table.resolution, *table.dates, *table.references, *named]:
        if column not in table.columns:
            raise ValueError(f"{name}: there is no column {column!r}")
    for column in table.outcomes:
        if column in table.key or not table.columns[column].nullable:
            raise ValueError(f"{name}: the outcome {column!r} must be nullable and no part of the key")
    if bool(table.outcomes) != (table.outcomes_known_at is not None):
        raise ValueError(f"{name}: outcomes and outcomes_known_at need each other")
    if table.outcomes and table.row_known_at is None:
        raise ValueError(f"{name}: a table with outcomes needs an event_time or known_at")
    for part in TIMES:
        if (time := getattr(table, part)) is not None:
            as_utc(name, table, part, time)
    if table.event_time is not None and not set(table.event_time.meta.root_names()) <= set(table.key):
        raise ValueError(f"{name}: event_time must be made of columns of the primary key, {', '.join(table.key)}")
    if table.known_at is not None and set(table.known_at.meta.root_names()) & set(table.outcomes):
        raise ValueError(f"{name}: known_at says when the row became known, so it cannot be made of an outcome")
    if table.known_within is not None:
        try:
            parse_duration(table.known_within)
        except ValueError as error:
            raise ValueError(f"{name}: known_within: {error}") from None
    if any(not LEAST_STEP <= step <= 1 / LEAST_STEP for step in table.resolution.values()):
        raise ValueError(f"{name}: a resolution must be from {LEAST_STEP:g} to {1 / LEAST_STEP:g}")


def check_references(name: str, tables: Tables) -> None:
    """Refuse references to what is no key of a table, in one sentence.

    Raises:
        ValueError: It names table and column.
    """
    for column, (other, share) in tables[name].references.items():
        if other not in tables or len(tables[other].key) != 1:
            raise ValueError(f"{name}: {column} refers to {other!r}, which must be a table with a key of one column")
        mine, theirs = tables[name].empty.schema[column], tables[other].empty.schema[tables[other].key[0]]
        if mine != theirs:
            raise ValueError(f"{name}: {column} is {mine}, but the key of {other} that it refers to is {theirs}")
        if not 0 <= share <= 1:
            raise ValueError(f"{name}: the share of {column} that may refer to nothing must be from 0 to 1")


def looks_across(expression: pl.Expr, arrays: bool = False) -> bool:
    """Whether an expression makes a row's value of other rows; arrays of a value for each row may be allowed in it."""
    for part in parts_of(expression, arrays):
        if not part.meta.is_row_separable():
            return True
    return not (expression.meta.is_length_preserving() or expression.meta.is_literal())


def parts_of(expression: pl.Expr, arrays: bool = False) -> Iterator[pl.Expr]:
    """An expression and all that it is made of; arrays of a value for each row may be left out."""
    rest = [expression]
    while rest:
        part = rest.pop()
        if not (arrays and part.meta.is_literal() and not part.meta.root_names()):
            yield part
            rest += part.meta.pop()


def in_utc(name: str, table: Table) -> Table:
    """The declaration with all its times in UTC."""
    times = {part: getattr(table, part) for part in TIMES}
    given = {part: as_utc(name, table, part, time) for part, time in times.items() if time is not None}
    return replace(table, **given)


def as_utc(name: str, table: Table, part: str, time: pl.Expr) -> pl.Expr:
    """Moments in UTC of a row's columns: a day begins at 00:00 UTC, the clock of a zone is converted.

    Raises:
        ValueError: The expression makes none.
    """
    try:
        kind = table.empty.select(time).dtypes[0]
    except (*POLARS_ERRORS, AttributeError) as error:
        raise ValueError(f"{name}: {part} cannot be computed: {str(error).splitlines()[0]}") from None
    if looks_across(time):
        raise ValueError(f"{name}: {part} looks across rows: the time of a row must follow from its own columns")
    if kind == TIME:
        return time
    if kind == pl.Date:
        if any(table.empty.select(part).dtypes[0] == pl.Duration for part in parts_of(time)):
            raise ValueError(
                f"{name}: {part} adds a span to a day, which drops its hours: "
                'write pl.col("DAY").cast(pl.Datetime("us", "UTC")) for the first moment of the day'
            )
        return time.cast(TIME)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return time.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    zone = " without a zone" if isinstance(kind, pl.Datetime) else ""
    raise ValueError(f'{name}: {part} is {kind}{zone}, it must be a time in UTC: dy.Datetime(time_zone="UTC")')
