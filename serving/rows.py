"""The rows of a request: their schema, as the contract declares it, and their types."""

import json
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, time
from typing import Annotated, Any, Optional

import polars as pl
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    TypeAdapter,
    ValidationError,
    create_model,
)

from serving.refusal import refuse, refuse_unfit
from tasks.core.moments import POSSIBLE
from tasks.core.params import Serve
from tasks.features.table import POLARS_ERRORS, Table, looks_across

LONGEST = 1_000  # characters of a text whose length the contract leaves open
NANO = range(1678, 2262)  # the years that nanoseconds can count
SAID, BOUNDS = {"nullability", "regex"}, {"min", "max", "min_exclusive", "max_exclusive"}  # by the type of a field
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Row = tuple[Any, ...]  # in the order of the columns


@contextmanager
def refuse_uncomputable() -> Generator[None]:
    """Refuse rows of which a rule or a time cannot be computed, such as one that is beyond the calendar."""
    try:
        yield
    except POLARS_ERRORS:
        told = "the rules and times of project/contract.py cannot be computed from this request"
        raise refuse(409, "uncomputable", told) from None


class RowSchema:
    """What a row of a request is.

    Args:
        name: Of the table.
        table: As the contract declares it.
        without: Columns that a request does not give, such as the outcomes of what is predicted.
    """

    def __init__(self, name: str, table: Table, without: Sequence[str] = ()) -> None:
        columns = {column: declared for column, declared in table.columns.items() if column not in without}
        self.table, self.columns, self._without = table, list(columns), without
        self.kinds = {column: table.empty.schema[column] for column in columns}
        fields: dict[str, Any] = {column: (make_field(declared), ...) for column, declared in columns.items()}
        self.model: type[BaseModel] = create_model(f"{name}_row", __config__=STRICT, **fields)
        self.one, self.many = TypeAdapter(self.model), TypeAdapter(list[self.model])  # ty: ignore[invalid-type-form]
        self.rules = find_rules(table, set(without))
        self._nested = any(kind.is_nested() for kind in self.kinds.values())
        self._key = [self.columns.index(column) for column in table.key]

    def read(self, body: bytes, limits: Serve) -> list[Row]:
        """The rows of a body, one object or a list of them.

        Raises:
            RefusedError: It does not fit the schema, names a field twice or gives a key twice.
        """
        try:
            found = self.many.validate_json(body) if is_list(body) else [self.one.validate_json(body)]
        except ValidationError as error:
            raise refuse_unfit(error, self.columns, self._without) from None
        if not 0 < len(found) <= limits.max_rows:
            raise refuse(422, "rows", f"give from 1 to {limits.max_rows:,} rows (serve.max_rows)")
        refuse_repeated_fields(body)
        rows = [tuple((row.model_dump() if self._nested else vars(row)).values()) for row in found]
        self._refuse_repeated_keys(rows)
        return rows

    def key_of(self, row: Row) -> Row:
        """The values that identify a row."""
        return tuple(row[place] for place in self._key)

    def _refuse_repeated_keys(self, rows: list[Row]) -> None:
        seen: set[Row] = set()
        for number, row in enumerate(rows):
            key = self.key_of(row)
            if key in seen:
                raise refuse(409, "primary_key", f"the key {', '.join(self.table.key)} is given twice", number)
            seen.add(key)

    @refuse_uncomputable()
    def require_rules(self, rows: list[Row]) -> None:
        """Refuse rows of which one breaks a rule that types and bounds do not say."""
        checks = [rule.alias(name) for name, rule in self.rules.items()]
        for number, kept in enumerate(self.to_frame(rows).select(checks).iter_rows() if checks else ()):
            self.refuse_broken(number, kept)

    @refuse_uncomputable()
    def require_possible(self, rows: list[Row]) -> None:
        """Refuse rows of a year in which no data can be."""
        moment = self.table.row_known_at if self.table.event_time is None else self.table.event_time
        if moment is not None:
            possible = self.to_frame(rows).select(moment.is_between(*POSSIBLE)).to_series()
            for number in (~possible.fill_null(self.table.event_time is None)).arg_true():
                years = f"from {POSSIBLE[0].year} to {POSSIBLE[1].year}"
                raise refuse(409, "horizon", f"the event must lie in a year {years}", number)

    def refuse_broken(self, number: int, kept: Sequence[bool | None]) -> None:
        """Refuse a row of whose rules one is not kept."""
        if False in kept:
            rule = list(self.rules)[kept.index(False)]
            raise refuse(409, rule, f"the rule {rule} of project/contract.py does not hold", number)

    def to_frame(self, rows: list[Row]) -> pl.DataFrame:
        """The rows with the types of the contract."""
        return pl.DataFrame(rows, schema=self.kinds, orient="row")


def is_list(body: bytes) -> bool:
    """Whether a body is a list of rows, not one row."""
    return body.lstrip()[:1] == b"["


def make_field(column: Any) -> Any:
    """The type of a field, with the bounds that JSON can say; the rules see to the others."""
    kind: Any
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        kind = AwareDatetime if dtype.time_zone else NaiveDatetime
        if dtype.time_unit == "ns":
            kind = Annotated[kind, AfterValidator(refuse_uncountable)]  # ty: ignore[invalid-type-form]
    elif dtype == pl.Time:
        kind = Annotated[time, AfterValidator(refuse_zone)]
    elif dtype == pl.String:
        longest = getattr(column, "max_length", None) or LONGEST
        kind = Annotated[str, Field(max_length=longest, pattern=getattr(column, "regex", None))]
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it leaves out, which the rules see to
            kind = column.pydantic_field()
        if dtype.is_integer():
            kind = Annotated[kind, BeforeValidator(whole)]  # ty: ignore[invalid-type-form]
    return Optional[kind] if column.nullable else kind  # noqa: UP045


def whole(value: Any) -> Any:
    """58.0 is an integer in JSON Schema."""
    return int(value) if type(value) is float and value.is_integer() else value


def refuse_uncountable(value: datetime) -> datetime:
    """A time in nanoseconds reaches no further."""
    if value.year not in NANO:
        raise ValueError(f"give a year from {NANO[0]} to {NANO[-1]}")
    return value


def refuse_zone(value: time) -> time:
    """The time of a day has no zone in a contract."""
    if value.tzinfo is not None:
        raise ValueError("give a time of day without a zone")
    return value


def find_rules(table: Table, without: set[str]) -> dict[str, pl.Expr]:
    """The rules of the contract that the types of the fields do not say; each of one row alone."""
    found = {}
    for name, rule in table.schema._validation_rules(with_cast=False).items():
        column, _, kind = name.partition("|")
        said = kind in SAID or (column in table.columns and table.columns[column].dtype.is_integer() and kind in BOUNDS)
        if not said and name != "primary_key" and not hasattr(rule, "group_columns"):
            expression = rule.expr
            with suppress(*POLARS_ERRORS):  # of the parts of a list, which its type says
                if not set(expression.meta.root_names()) & without and not looks_across(expression):
                    found[name] = expression
    floats = [c for c, declared in table.columns.items() if c not in without and declared.dtype.is_float()]
    return found | {f"{c}|finite": pl.col(c).cast(pl.Float32).is_finite() for c in floats}  # as features are


def refuse_repeated_fields(body: bytes) -> None:
    """A field that is given twice: JSON allows it, and nobody can tell which one was meant."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise refuse(422, "repeated_field", "a field is given twice")

    json.loads(body, object_pairs_hook=once)
