"""The texts of a new model: target.py, features.py, and its table for contract.py."""

import re
from collections.abc import Iterator
from datetime import timedelta
from keyword import iskeyword
from typing import NamedTuple

import polars as pl

from tasks.core.errors import InputError
from tasks.core.use_case import RESERVED
from tasks.features.durations import parse_duration
from tasks.features.table import Table

CONDITION = re.compile(r"(?P<column>.+?)\s*(?P<sign>>=|<=|==|!=|>|<)\s*(?P<value>.+)")
TEXT = (pl.String, pl.Categorical, pl.Enum)
MANY = 1_000  # values of a text, above which it is no good key of a history


class Plan(NamedTuple):
    """What a new model is about.

    Args:
        name: Of the model, such as late-orders.
        table: Whose rows are predicted.
        rows: All of them, in plain types.
        event: The column of the event's time.
        key: The columns that identify a row, the event among them.
        outcomes: The columns that are told later.
        delay: How long after the event, such as 1d.
        target: COLUMN, or a condition such as COLUMN >= 15.
        ahead: How long before the event the prediction is asked for, such as 2h; 0h is at the event.
        declared: The table as the contract has it; None where the contract lacks it.
    """

    name: str
    table: str
    rows: pl.DataFrame
    event: str
    key: list[str]
    outcomes: list[str]
    delay: str
    target: str
    ahead: str
    declared: Table | None = None


def write_table(plan: Plan) -> str:
    """The declaration of the table, for project/contract.py."""
    label = "".join(word.capitalize() for word in re.split(r"\W|_", plan.table))
    columns = "\n".join(f"    {line}" for line in declare_columns(plan))
    return f'''class {label}(dy.Schema):
    """One row of data/{plan.table}, as it was found: add what a valid one must fulfil (min, max, regex, rules)."""

{columns}


TABLES["{plan.table}"] = Table(
    schema={label},
    event_time={event_of(plan)},
    outcomes={list_names(plan.outcomes)},
    outcomes_known_at={shift(event_of(plan), plan.delay, "+")},
)
'''


def event_of(plan: Plan) -> str:
    """The time of the event; of a day its first moment in UTC."""
    cast = '.cast(pl.Datetime("us", "UTC"))' if plan.rows.schema[plan.event] == pl.Date else ""
    return f'pl.col("{plan.event}"){cast}'


def declare_columns(plan: Plan) -> Iterator[str]:
    """A line for each column."""
    for name, kind in plan.rows.schema.items():
        options = [f'time_zone="{kind.time_zone}"'] if isinstance(kind, pl.Datetime) else []
        options += ["primary_key=True"] if name in plan.key else ["nullable=True"]
        attribute = name if name.isidentifier() and not iskeyword(name) else re.sub(r"\W", "_", f"column_{name}")
        options += [] if attribute == name else [f"alias={name!r}"]
        yield f"{attribute} = dy.{kind_of(name, kind)}({', '.join(options)})"


def kind_of(name: str, kind: pl.DataType) -> str:
    """The name of a plain type."""
    if kind in TEXT:
        return "String"
    if kind.is_decimal():
        return "Float64"
    if kind == pl.Boolean:
        return "Bool"
    if kind in (pl.Date, pl.Datetime) or kind.is_numeric():
        return str(kind.base_type())
    raise InputError(f"the column {name!r} is {kind}: make it text, a number, a truth value or a time, or leave it out")


def write_target(plan: Plan) -> str:
    """The text of target.py."""
    imported = "" if plan.declared is None else "\nfrom project.contract import TABLES\n"
    event = event_of(plan) if plan.declared is None else f'TABLES["{plan.table}"].event_time'
    return f'''"""What is predicted of a row of {plan.table}."""

import polars as pl
{imported}
ROWS = "{plan.table}"  # the table whose rows are predicted
PREDICTION_TIME = {shift(event, plan.ahead, "-")}  # when a row's prediction is asked for
TARGET = {target_of(plan)}  # null: no outcome, or none yet
'''


def target_of(plan: Plan) -> str:
    """The expression of the target."""
    column, sign, value = parse_target(plan.target, plan.rows.schema)
    return f'pl.col("{column}") {sign} {value}'.strip()


def parse_target(text: str, schema: pl.Schema) -> tuple[str, str, str]:
    """Column, sign and value of COLUMN or COLUMN >= VALUE; sign and value are empty for a column alone."""
    found = CONDITION.fullmatch(text.strip())
    column, sign, value = found.group("column", "sign", "value") if found else (text.strip(), "", "")
    if column not in schema:
        raise InputError(f"{text!r}: there is no column {column!r}, there are {', '.join(schema)}")
    kind = schema[column]
    if not sign and kind in TEXT:
        raise InputError(f"{column} is text: say which value counts as true, such as {column} == yes")
    if sign and kind not in TEXT:
        try:
            value = repr(float(value)).removesuffix(".0")
        except ValueError:
            raise InputError(f"{text!r}: {column} is {kind}, and {value!r} is no number") from None
    return column, sign, repr(value.strip("'\"")).replace("'", '"') if sign and kind in TEXT else value


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


def shift(event: str, duration: str, sign: str) -> str:
    """An expression moved by a duration."""
    minutes = int(read_span(duration).total_seconds() / 60)
    if not minutes:
        return event
    unit, count = ("hours", minutes // 60) if minutes % 60 == 0 else ("minutes", minutes)
    return f"{event} {sign} pl.duration({unit}={count})"


def write_features(plan: Plan) -> str:
    """The text of features.py: one feature of the row, one of its time or the value before, one of four weeks."""
    group, (column, _, _) = choose_group(plan), parse_target(plan.target, plan.rows.schema)
    own = group or next((name for name in plan.rows.columns if is_usable(plan, name)), None)
    by = f'.by("{group}")' if group else ""
    number = plan.rows.schema[column].is_numeric()
    measure, asked = ("mean", f'"{column}"') if number else ("share", target_of(plan))
    lines = [f'"{as_name(own)}": rows["{own}"],'] if own else []
    last = f'"{as_name(column)}_last": here.newest("{column}", within="28d"),'
    lines += [last if number else f'"weekday": rows["{plan.event}"].dt.weekday(),']
    lines += [f'"{as_name(column)}_28d": here.last("28d").{measure}({asked}),']
    body = "\n".join(f"        {line}" for line in lines)
    needs_polars = "import polars as pl\n\n" if "pl." in body else ""
    return f'''"""The features: three to begin with; docs/how-to/features.md has the vocabulary."""

{needs_polars}from tasks.features.known import Known, Rows


def features(rows: Rows, known: Known) -> dict:
    """A value for each row and name; text is a category."""
    here = known.{plan.table}{by}  # what was known before a prediction is asked for
    return {{
{body}
    }}
'''


def choose_group(plan: Plan) -> str | None:
    """A text of the rows by which history may be looked up: of the key if there is one, else that of fewest values."""
    texts = [name for name in plan.rows.columns if is_usable(plan, name) and plan.rows.schema[name] in TEXT]
    counts = {name: plan.rows[name].n_unique() for name in texts}
    offered = [name for name in texts if 1 < counts[name] <= MANY]
    return min(offered, key=lambda name: (name not in plan.key, counts[name]), default=None)


def is_usable(plan: Plan, name: str) -> bool:
    """Whether a column may be a feature as it is."""
    kind = plan.rows.schema[name]
    return name not in plan.outcomes and (kind.is_numeric() or kind in (*TEXT, pl.Boolean))


def as_name(column: str | None) -> str:
    """A column as a feature may be called."""
    name = re.sub(r"\W", "_", column or "")
    return name if name.isidentifier() and name not in RESERVED else f"column_{name}"


def list_names(names: list[str]) -> str:
    """Some names as Python, one a line where they are many."""
    quoted = [f'"{name}"' for name in names]
    line = f"[{', '.join(quoted)}]"
    return line if len(line) < 100 else "[\n        " + ",\n        ".join(quoted) + ",\n    ]"
