"""What a new model is about: answers to a few questions, checked against the data."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

import polars as pl

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import InputError, counted, first_line
from tasks.core.use_case import load_tables
from tasks.core.workspace import CODE, workspace
from tasks.data.conversion import describe_zone
from tasks.features.durations import parse_duration
from tasks.features.table import POLARS_ERRORS, TIME, Table, to_plain
from tasks.operations.model_guesses import guess_delay, guess_key, is_usable

CONDITION = re.compile(r"(?P<column>.+?)\s*(?P<sign>>=|<=|==|!=|>|<)\s*(?P<value>.+)")
Ask = Callable[..., str]  # the answer to a question of flows/new.py, which may be one of those offered


class Target(NamedTuple):
    """What is predicted: a column, or a condition on it."""

    column: str
    condition: str = ""  # such as >= 15

    @classmethod
    def parse(cls, text: str, schema: pl.Schema) -> Self:
        """COLUMN, or a condition such as COLUMN >= 15.

        Raises:
            InputError: There is no such column, or it cannot be compared so.
        """
        found = CONDITION.fullmatch(text.strip()) if text.strip() not in schema else None
        column, sign, value = found.group("column", "sign", "value") if found else (text.strip(), "", "")
        if column not in schema:
            raise InputError(f"{text!r}: there is no column {column!r}, there are {', '.join(schema)}")
        kind = schema[column]
        if kind == pl.String:
            if not sign:
                raise InputError(f"{column} is text: say which value counts as true, such as '{column} == yes'")
            return cls(column, f"{sign} {json.dumps(value.strip(), ensure_ascii=False)}")
        if not sign:
            if kind != pl.Boolean and not kind.is_numeric():
                raise InputError(f"{column} is {kind}: a true or false, a number or a text can be predicted")
            return cls(column)
        if kind == pl.Boolean:
            raise InputError(f"{column} is true or false already: give --target {column}")
        if not re.fullmatch(r"-?\d+(\.\d+)?", value) or not kind.is_numeric():
            raise InputError(f"{text!r}: {column} is {kind}, and {value!r} is no number to compare it with")
        return cls(column, f"{sign} {value}")

    def __str__(self) -> str:
        """The expression."""
        return f"pl.col({json.dumps(self.column, ensure_ascii=False)}) {self.condition}".strip()


class Plan(NamedTuple):
    """What a new model is about.

    Args:
        name: Of the model, such as late-orders.
        table: Whose rows are predicted.
        rows: All of them, in plain types.
        event: The column of the event's time; None where the contract makes it of others.
        key: The columns that identify a row, the event among them.
        outcomes: The columns that are told later.
        delay: How long after the event, such as 1d.
        target: What is predicted.
        ahead: How long before the event the prediction is asked for, such as 2h; 0h is at the event, -1d a day later.
        declared: The table as the contract has it; None where the contract lacks it.
    """

    name: str
    table: str
    rows: pl.DataFrame
    event: str | None
    key: list[str]
    outcomes: list[str]
    delay: str
    target: Target
    ahead: str
    declared: Table | None = None


def plan_model(name: str, ask: Ask, read: Callable[[str], pl.DataFrame]) -> Plan:
    """What a model is about.

    Args:
        name: Its name.
        ask: Answers table, target and ahead; of a table that the contract lacks event, key, outcomes and delay, too.
        read: The rows of a table, such as read_data.

    Raises:
        InputError: An answer does not suit the data.
    """
    declared = find_declared()
    table = ask("table", *find_tables())
    rows = read(table)
    if table in declared:
        return plan_declared(name, table, rows, declared[table], ask)
    return plan_new(name, table, rows, ask)


def find_declared() -> dict[str, Table]:
    """The tables of the contract, which a new project does not have yet."""
    return load_tables() if (CODE / "project" / "contract.py").is_file() else {}


def plan_declared(name: str, table: str, rows: pl.DataFrame, declared: Table, ask: Ask) -> Plan:
    """A model on a table of the contract."""
    if declared.event_time is None or not declared.outcomes:
        raise InputError(f"project/contract.py declares no event_time and outcomes of {table}: add them first")
    target = Target.parse(ask("target", *declared.outcomes), rows.schema)
    if target.column not in declared.outcomes:
        raise InputError(f"{target.column} is no outcome of {table} in project/contract.py: add it there first")
    require_columns(rows, table, *declared.columns)
    rows = rows.select(list(declared.columns))
    times = [column for column in declared.event_time.meta.root_names() if rows.schema[column].is_temporal()]
    event, outcomes = times[0] if times else None, [*declared.outcomes]
    return Plan(name, table, rows, event, declared.key, outcomes, "0h", target, read_ahead(ask, rows, event), declared)


def read_ahead(ask: Ask, rows: pl.DataFrame, event: str | None) -> str:
    """How long before the event the prediction is asked for; a row of a day is filled in by its end."""
    ahead = ask("ahead", "-1d" if event and rows.schema[event] == pl.Date else "0h")
    read_span(ahead.removeprefix("-"))
    return ahead


def plan_new(name: str, table: str, rows: pl.DataFrame, ask: Ask) -> Plan:
    """A model on a table that the contract lacks."""
    if repeated := rows.height - rows.n_unique():
        raise InputError(
            f"data/{table}: {counted(repeated, 'row repeats', 'rows repeat')} another in every column, so no key tells "
            "them apart: leave the repeated ones out"
        )
    times = [column for column, kind in rows.schema.items() if kind in (pl.Date, pl.Datetime)]
    if not times:
        raise InputError(f"data/{table} has no column of times: a row to predict needs the time of its event")
    event = ask("event", *times)
    if event not in times:
        raise InputError(f"data/{table}: {event!r} is no column of times, these are: {', '.join(times)}")
    if isinstance(kind := rows.schema[event], pl.Datetime) and kind.time_zone is None:
        raise InputError(f"data/{table}: {event} {describe_zone(has_one=False)}")
    target = Target.parse(ask("target", *(column for column in rows.columns if column != event)), rows.schema)
    outcomes = list(dict.fromkeys([target.column, *split_names(ask("outcomes", target.column))]))
    require_columns(rows, table, *outcomes)
    key = split_names(ask("key", ",".join(guess_key(rows, event, outcomes))))
    check_key(rows, table, event, key)
    if both := [column for column in outcomes if column in key]:
        raise InputError(f"{both[0]} identifies a row, so it cannot be told later: give another --key or --outcomes")
    ahead, delay = read_ahead(ask, rows, event), ask("delay", guess_delay(rows, event, target.column))
    read_span(delay)
    return Plan(name, table, rows, event, key, outcomes, delay, target, ahead)


def find_tables() -> list[str]:
    """The tables of data/."""
    paths = (path for path in workspace().data.glob("[!_]*") if path.is_dir() or path.suffix == ".parquet")
    found = sorted({path.stem for path in paths})
    if not found:
        raise InputError(f"{workspace().data} holds no table: put it there as NAME.parquet, or as NAME/YYYY-MM.parquet")
    return found


def read_data(table: str) -> pl.DataFrame:
    """All rows of a table of data/, in plain types; columns of lists and the like are left out."""
    file = workspace().data / f"{table}.parquet"
    files = [file] if file.is_file() else sorted((workspace().data / table).glob("*.parquet"))
    if not files:
        raise InputError(
            f"there is no data/{table}.parquet and no data/{table}/ with parquet files, but {', '.join(find_tables())}"
        )
    if not table.isidentifier():
        raise InputError(f"data/{table}: a table needs a name of letters, digits and underscores: features name it")
    try:
        rows = to_plain(pl.read_parquet(files))
    except POLARS_ERRORS as error:
        raise InputError(f"data/{table} cannot be read: {first_line(error)}") from None
    if rows.is_empty():
        raise InputError(f"data/{table} holds no row")
    usable = [name for name, kind in rows.schema.items() if is_usable(kind)]
    if left := [f"{name} ({kind})" for name, kind in rows.schema.items() if name not in usable]:
        print(f"left out, since no feature is made of it: {', '.join(left)}")
    return rows.select(usable)


def require_columns(rows: pl.DataFrame, table: str, *columns: str) -> None:
    """Refuse columns that are not there."""
    for column in columns:
        if column not in rows.columns:
            raise InputError(f"data/{table}: there is no column {column!r}, there are {', '.join(rows.columns)}")


def check_key(rows: pl.DataFrame, table: str, event: str, key: list[str]) -> None:
    """Refuse a key that identifies no row, or that the event's time is no part of."""
    require_columns(rows, table, *key)
    if event not in key:
        raise InputError(f"the event's column {event} must be part of the key: --key {','.join([event, *key])}")
    if doubled := rows.height - rows.select(key).n_unique():
        first = spell_out_endless(rows.select(key).filter(pl.struct(key).is_duplicated()).head(1)).row(0, named=True)
        example = ", ".join(f"{column}={value}" for column, value in first.items())
        raise InputError(
            f"{counted(doubled, 'row')} of data/{table} share their key with another, such as {example}: --key "
            f"{','.join(key)} needs more columns, or the data a correction"
        )
    if nulls := rows.select(key).null_count().sum_horizontal().item():
        raise InputError(f"data/{table}: {nulls:,} values of the key {','.join(key)} are null: leave these rows out")


def split_names(names: str) -> list[str]:
    """Names that commas separate."""
    return [name.strip() for name in names.split(",") if name.strip()]


def look_at(plan: Plan) -> tuple[pl.DataFrame, datetime]:
    """Event time, label time and target of the rows with an outcome, and the time that the clock of the data shows."""
    if plan.declared is None:
        event = pl.col(plan.event or "").cast(TIME, strict=False)
        label = event + read_span(plan.delay)
    else:
        event, label = plan.declared.event_time, plan.declared.outcomes_known_at
    every = plan.rows.select(event_time=event, label_time=label, target=pl.col(plan.target.column))
    now = datetime.now(UTC)
    every = every.filter(pl.col("event_time") <= now)
    rows = every.drop_nulls()
    newest = [every["event_time"].max(), rows["label_time"].filter(rows["label_time"] <= now).max()]
    if rows.is_empty():
        raise InputError(f"data/{plan.table} holds no row with a value of {plan.target.column}: nothing to learn")
    return rows, max(time for time in newest if isinstance(time, datetime))


def read_span(text: str) -> timedelta:
    """A duration, which may be none.

    Raises:
        InputError: It is no duration.
    """
    if re.fullmatch(r"0[wdhms]?", text):
        return timedelta(0)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(str(error)) from None
