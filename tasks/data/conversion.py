"""Bringing the values of a file to the types of the contract, where nothing is lost."""

from typing import Literal, NamedTuple

import polars as pl

from tasks.core.errors import DataError, first_line
from tasks.data.formats import Raw
from tasks.features.table import POLARS_ERRORS, Table

TEXTS = (pl.String, pl.Categorical, pl.Enum)
DIGITS = {"ms": 3, "us": 6, "ns": 9}  # of a second that a type holds
# ISO 8601, with as many digits of a second as are kept
MOMENT = r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?:(:\d\d\.\d{1,%d})0*|(:\d\d))? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?$"
ZONELESS = r"^\s*\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*$"
SPAN = r"^(-?)P(?:(\d{1,7})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,7})(?:\.(\d{1,%d})0*)?S)?)?$"
EXACT = 2.0**53  # up to which a fraction stands for one whole number
SHOWN = 3  # undeclared columns in a message


class Kind(NamedTuple):
    """How the values of a column are to be read."""

    present: pl.DataType
    declared: pl.DataType
    text: bool  # its text may stand for any type
    dates: bool  # a day stands for its 00:00 UTC
    time_zone: str | None  # of times that have none


class Converted(NamedTuple):
    """The declared columns, and beside them for each column whether a row's value was lost."""

    rows: pl.DataFrame
    lost: pl.DataFrame


class ColumnError(DataError):
    """A column as a whole is none of the contract: missing, or of a type that cannot stand for the declared one."""


class UnfitError(Exception):
    """Why a column cannot stand for what the contract declares."""


def convert(raw: Raw, table: Table, name: str, time_zone: str | None = None) -> Converted:
    """The declared columns in the declared types; a value that would not stay the same is null, and told.

    Args:
        raw: Columns of a file.
        table: As the contract declares it.
        name: What messages call the file.
        time_zone: That times without one are of; None refuses them.

    Raises:
        DataError: A column is missing, or of a type that cannot stand for the declared one.
    """
    made = {}
    for column, declared in table.schema.create_empty().schema.items():
        if column not in raw.rows.columns:
            others = [repr(other) for other in raw.rows.columns if other not in table.columns][:SHOWN]
            told = f"; it has {', '.join(others)}, which is not declared" if others else ""
            raise ColumnError(f"{name} lacks the column {column!r}, which project/contract.py declares: add it{told}")
        present = raw.rows.schema[column]
        kind = Kind(present, declared, column in raw.texts, column in table.dates, time_zone)
        try:
            made[column] = bring(pl.col(column), kind)
        except UnfitError as why:
            raise ColumnError(f"{name}: {column} {why}") from None
    try:
        rows = raw.rows.select(value.alias(column) for column, value in made.items())
    except POLARS_ERRORS as error:
        raise DataError(f"{name}: its values cannot be brought to the contract's types: {first_line(error)}") from None
    if time_zone is None:
        refuse_zoneless(raw, rows, name)
    changed = [column for column in made if rows.schema[column] != pl.Null and not is_same(raw.rows, rows, column)]
    lost = [(rows[column].is_null() & raw.rows[column].is_not_null()).alias(column) for column in changed]
    return Converted(rows, pl.DataFrame(lost))


def refuse_zoneless(raw: Raw, rows: pl.DataFrame, name: str) -> None:
    """Refuse text of times of which none has a zone, with what to do; a few among others are bad rows."""
    for column, kind in rows.schema.items():
        if not (isinstance(kind, pl.Datetime) and kind.time_zone and column in raw.texts):
            continue
        given = raw.rows[column].drop_nulls()
        if len(given) and given.str.contains(ZONELESS).all():
            raise ColumnError(f"{name}: {column} {describe_zone(has_one=False)}")


def is_same(raw: pl.DataFrame, rows: pl.DataFrame, column: str) -> bool:
    """Whether no value of a column was lost."""
    return raw[column].null_count() == rows[column].null_count()


def bring(value: pl.Expr, kind: Kind) -> pl.Expr:
    """A column in the declared type, null where that would change a value.

    Raises:
        UnfitError: Its type cannot stand for the declared one.
    """
    present, declared = kind.present, kind.declared
    if present == pl.Null:
        return value.cast(declared)
    if present == declared:
        return pl.when(stays(value, value, kind)).then(value) if declared.is_decimal() else value
    if kind.text and not isinstance(declared, TEXTS):
        return read_text(value, kind)
    if isinstance(declared, pl.Datetime) and isinstance(present, pl.Datetime | pl.Date):
        return bring_time(value, kind)
    if isinstance(declared, pl.Date) and isinstance(present, pl.Datetime):
        return pl.when(value.dt.truncate("1d") == value).then(value.cast(declared))
    both_text = isinstance(present, TEXTS) and isinstance(declared, TEXTS)
    if not (both_text or (present.is_numeric() and declared.is_numeric()) or type(present) is type(declared)):
        raise UnfitError(f"is {present}, but project/contract.py declares {declared}")
    made = value.cast(declared, strict=False)
    return made if both_text else pl.when(stays(value, made, kind)).then(made)


def stays(value: pl.Expr, made: pl.Expr, kind: Kind) -> pl.Expr:
    """Whether a cast keeps a value; a number may be rounded to the digits of a type of fractions."""
    if kind.declared.is_float() and not kind.present.is_integer():
        return made.is_finite() | ~value.cast(pl.Float64).is_finite()
    if kind.declared.is_decimal():  # data/ holds it as a fraction
        held = made.cast(pl.Float64).cast(kind.declared, strict=False) == made
        return held & ((made.cast(pl.Float64) - value.cast(pl.Float64)).abs() < 1e-9)
    return made.cast(kind.present, strict=False) == value


def bring_time(value: pl.Expr, kind: Kind) -> pl.Expr:
    """A time in the declared zone and resolution."""
    present, declared = kind.present, kind.declared
    assert isinstance(declared, pl.Datetime)
    if isinstance(present, pl.Date):
        if not kind.dates:
            raise UnfitError("is a day, but a time is declared: if 00:00 UTC is meant, name it in `dates` of its Table")
        value = value.cast(pl.Datetime("us", "UTC"), strict=False)
    elif isinstance(present, pl.Datetime) and (present.time_zone is None) != (declared.time_zone is None):
        if present.time_zone is not None or kind.time_zone is None:
            raise UnfitError(describe_zone(declared.time_zone is None))
        value = value.dt.replace_time_zone(kind.time_zone, ambiguous="null", non_existent="null")
    value = value.dt.convert_time_zone(declared.time_zone) if declared.time_zone else value
    made = value.cast(declared, strict=False)
    return pl.when(made.dt.cast_time_unit(getattr(present, "time_unit", "us")) == value).then(made)


def describe_zone(has_one: bool) -> str:
    """What to do about a column of times with a zone too many or too few."""
    if has_one:
        return "has a time zone, but project/contract.py declares a time without one"
    return (
        "is a time without a zone: write it with one, such as 2024-06-01T12:00:00Z (in polars "
        '.dt.replace_time_zone("UTC")); for files that land, ingest.time_zone may name the one it was noted in'
    )


def read_text(value: pl.Expr, kind: Kind) -> pl.Expr:
    """The values that text stands for; null where it stands for none."""
    declared, text = kind.declared, value.str.strip_chars()
    if declared.is_integer():
        number = text.cast(pl.Float64, strict=False)
        whole = pl.when(number.abs() < EXACT, number == number.floor()).then(number.cast(declared, strict=False))
        return pl.coalesce(text.cast(declared, strict=False), whole)
    if declared.is_numeric():
        made = text.cast(declared, strict=False)
        number, whole = text.cast(pl.Float64, strict=False), text.cast(pl.Int64, strict=False)
        if declared.is_decimal():
            return pl.when(stays(number, made, kind)).then(made)
        return pl.when(whole.is_null() | (made.cast(pl.Int64, strict=False) == whole)).then(made)
    if declared == pl.Boolean:
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["true", "1"])).then(True).when(lower.is_in(["false", "0"])).then(False)
    if isinstance(declared, pl.Datetime):
        return read_moment(text, kind)
    if isinstance(declared, pl.Date):
        return text.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(declared, pl.Time):
        return text.str.extract(r"^(\d\d:\d\d:\d\d(?:\.\d{1,9})?)$").str.to_time("%H:%M:%S%.f", strict=False)
    if isinstance(declared, pl.Duration):
        return read_span(text, min(6, DIGITS[declared.time_unit])).cast(declared)
    if isinstance(declared, pl.Binary):
        return text.str.decode("hex", strict=False)
    if declared.is_nested():
        return text.str.json_decode(declared)
    raise UnfitError(f"is text, but project/contract.py declares {declared}")


def read_moment(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Times in ISO 8601; those without a zone are of the zone of the deliveries."""
    declared = kind.declared
    assert isinstance(declared, pl.Datetime)
    part = text.str.extract_groups(MOMENT % DIGITS[declared.time_unit]).struct
    clock = pl.concat_str(part[0], pl.lit("T"), part[1], pl.coalesce(part[2], part[3], pl.lit(":00")))
    unit = "ns" if declared.time_unit == "ns" else "us"
    local = parse(clock, "%Y-%m-%dT%H:%M:%S%.f", unit, None)
    if declared.time_zone is None:
        return pl.when(part[4].is_null()).then(local).cast(declared)
    offset = part[4].replace("UTC", "Z")
    zoned = parse(clock + offset, "%Y-%m-%dT%H:%M:%S%.f%#z", unit, "UTC")
    made = [zoned]
    if kind.time_zone:
        there = local.dt.replace_time_zone(kind.time_zone, ambiguous="null", non_existent="null")
        made.append(pl.when(offset.is_null()).then(there.dt.convert_time_zone("UTC")))
    if kind.dates:
        made.append(text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime(unit, "UTC"), strict=False))
    return pl.coalesce(made).dt.convert_time_zone(declared.time_zone).cast(declared, strict=False)


def parse(text: pl.Expr, pattern: str, unit: Literal["us", "ns"], zone: str | None) -> pl.Expr:
    """Times of a pattern; null where nanoseconds do not reach so far, which polars does not tell."""
    exact = text.str.to_datetime(pattern, time_unit="us", time_zone=zone, strict=False)
    if unit == "us":
        return exact
    made = text.str.to_datetime(pattern, time_unit="ns", time_zone=zone, strict=False)
    return pl.when(made.dt.cast_time_unit("us") == exact).then(made)


def read_span(text: pl.Expr, digits: int) -> pl.Expr:
    """Time spans in ISO 8601, such as PT3M, with so many digits of a second."""
    part = text.str.extract_groups(SPAN % digits).struct
    days, hours, minutes, seconds = (part[number].cast(pl.Int64).fill_null(0) for number in (1, 2, 3, 4))
    micros = part[5].str.pad_end(6, "0").str.head(6).cast(pl.Int64).fill_null(0)
    span = pl.duration(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return pl.when(part[0] == "-").then(-span).when(part[0] == "").then(span)
