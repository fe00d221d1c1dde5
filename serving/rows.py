"""The rows of a request: their schema, as the contract declares it, and their types."""

import json
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import polars as pl
from pydantic import (
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
from tasks.core.params import Serve
from tasks.features.table import Table, looks_across

LONGEST = 1_000  # characters of a text whose length the contract leaves open
LARGEST = {pl.Float32: 3.4028234e38}
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Row = tuple[Any, ...]  # in the order of the columns


class RowSchema:
    """What a row of a request is.

    Args:
        name: Of the table.
        table: As the contract declares it.
        without: Columns that a request does not give, such as the outcomes of what is predicted.
    """

    def __init__(self, name: str, table: Table, without: Sequence[str] = ()) -> None:
        columns = {column: declared for column, declared in table.columns.items() if column not in without}
        self.table, self.columns = table, list(columns)
        self.kinds = {column: table.empty.schema[column] for column in columns}
        fields: dict[str, Any] = {column: (make_field(declared), ...) for column, declared in columns.items()}
        self.model: type[BaseModel] = create_model(f"{name}_row", __config__=STRICT, **fields)
        self.one, self.many = TypeAdapter(self.model), TypeAdapter(list[self.model])  # ty: ignore[invalid-type-form]
        self.rules = find_rules(table, set(without))
        self._key = [self.columns.index(column) for column in table.key]

    def read(self, body: bytes, limits: Serve) -> list[Row]:
        """The rows of a body, one object or a list of them.

        Raises:
            RefusedError: It does not fit the schema, names a field twice or gives a key twice.
        """
        single = body.lstrip()[:1] != b"["
        try:
            found = [self.one.validate_json(body)] if single else self.many.validate_json(body)
        except ValidationError as error:
            raise refuse_unfit(error, self.columns) from None
        if not 0 < len(found) <= limits.max_rows:
            raise refuse(422, "rows", f"give from 1 to {limits.max_rows:,} rows (serve.max_rows)")
        refuse_repeated_fields(body)
        rows = [tuple(vars(row).values()) for row in found]
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

    def require_rules(self, rows: list[Row]) -> None:
        """Refuse rows of which one breaks a rule that types and bounds do not say."""
        checks = [rule.alias(name) for name, rule in self.rules.items()]
        for number, kept in enumerate(self.to_frame(rows).select(checks).iter_rows() if checks else ()):
            self.refuse_broken(number, kept)

    def refuse_broken(self, number: int, kept: Sequence[bool | None]) -> None:
        """Refuse a row of whose rules one is not kept."""
        if False in kept:
            rule = list(self.rules)[kept.index(False)]
            raise refuse(409, rule, f"the rule {rule} of project/contract.py does not hold", number)

    def to_frame(self, rows: list[Row]) -> pl.DataFrame:
        """The rows with the types of the contract."""
        return pl.DataFrame(rows, schema=self.kinds, orient="row")


def make_field(column: Any) -> Any:
    """The type of a field, with the bounds of its column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it leaves out; rules and times see to it
        kind: Any = column.pydantic_field()
    dtype, null = column.dtype, (None if column.nullable else Any)
    if isinstance(dtype, pl.Datetime):
        time: Any = AwareDatetime if dtype.time_zone else NaiveDatetime
        return time | None if null is None else time
    if dtype.is_integer():
        return Annotated[kind, BeforeValidator(whole)]
    if dtype == pl.String and getattr(column, "max_length", None) is None:
        return Annotated[kind, Field(max_length=LONGEST)]
    if largest := LARGEST.get(type(dtype)):
        return Annotated[kind, Field(ge=-largest, le=largest)]
    return kind


def whole(value: Any) -> Any:
    """58.0 is an integer in JSON Schema."""
    return int(value) if type(value) is float and value.is_integer() else value


def find_rules(table: Table, without: set[str]) -> dict[str, pl.Expr]:
    """The rules of the contract that no JSON schema can say: of several columns, own checks, bytes of a text."""
    found = {}
    for name, rule in table.schema._validation_rules(with_cast=False).items():
        column, _, kind = name.partition("|")
        own = not kind or kind.startswith("check") or kind == "max_length"
        if own and column != "primary_key" and not hasattr(rule, "group_columns"):
            expression = rule.expr
            if not set(expression.meta.root_names()) & without and not looks_across(expression):
                found[name] = expression
    return found


def refuse_repeated_fields(body: bytes) -> None:
    """A field that is given twice: JSON allows it, and nobody can tell which one was meant."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise refuse(422, "repeated_field", "a field is given twice")

    json.loads(body, object_pairs_hook=once)
