"""The texts of a new model: target.py, features.py, params.yaml, and its table for contract.py."""

import json
import re
from collections.abc import Collection, Iterator
from itertools import count
from keyword import iskeyword
from typing import Any

import dataframely as dy
import polars as pl
import yaml

from tasks.core.use_case import RESERVED
from tasks.operations.model_plan import Plan, read_span

MANY = 1_000  # values of a text, above which it is no good key of a history


def write_table(plan: Plan) -> str:
    """The declaration of the table, for project/contract.py."""
    label = "".join(word.capitalize() for word in plan.table.split("_")) + "Row"  # no name that is used already
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
    return f"pl.col({json.dumps(plan.event, ensure_ascii=False)}){day_cast(plan)}"


def day_cast(plan: Plan) -> str:
    """What makes a moment of a day, to which hours can be added."""
    is_day = plan.event is not None and plan.rows.schema[plan.event] == pl.Date
    return '.cast(pl.Datetime("us", "UTC"))' if is_day else ""


def declare_columns(plan: Plan) -> Iterator[str]:
    """A line for each column; a schema may not have an attribute of any name."""
    taken = set(dir(dy.Schema))
    for name, kind in plan.rows.schema.items():
        options = [f'time_zone="{kind.time_zone}"'] if isinstance(kind, pl.Datetime) and kind.time_zone else []
        options += ["primary_key=True"] if name in plan.key else ["nullable=True"]
        attribute = as_identifier(name, taken)
        taken.add(attribute)
        options += [] if attribute == name else [f"alias={json.dumps(name, ensure_ascii=False)}"]
        called = "Bool" if kind == pl.Boolean else str(kind.base_type())
        yield f"{attribute} = dy.{called}({', '.join(options)})"


def write_target(plan: Plan) -> str:
    """The text of target.py."""
    imported = "" if plan.declared is None else "\nfrom project.contract import TABLES\n"
    event = event_of(plan) if plan.declared is None else f'TABLES["{plan.table}"].event_time{day_cast(plan)}'
    return f'''"""What is predicted of a row of {plan.table}."""

import polars as pl
{imported}
# The table whose rows are predicted, when a row's prediction is asked for, and the outcome: null is none, or none yet.
ROWS = "{plan.table}"
PREDICTION_TIME = {shift(event, plan.ahead, "-")}
TARGET = {plan.target}
'''


def shift(event: str, duration: str, sign: str) -> str:
    """An expression moved by a duration."""
    if duration.startswith("-"):
        duration, sign = duration[1:], "+" if sign == "-" else "-"
    seconds = int(read_span(duration).total_seconds())
    sizes = {"hours": 3600, "minutes": 60, "seconds": 1}
    unit, size = next((unit, size) for unit, size in sizes.items() if seconds % size == 0)
    return f"{event} {sign} pl.duration({unit}={seconds // size})" if seconds else event


def write_features(plan: Plan) -> str:
    """The text of features.py: one feature of the row, one of its time or the value before, one of four weeks."""
    group, column = choose_group(plan), plan.target.column
    own = group or next((name for name, kind in plan.rows.schema.items() if may_be_feature(plan, name, kind)), None)
    by, number = f".by({json.dumps(group, ensure_ascii=False)})" if group else "", plan.rows.schema[column].is_numeric()
    named, of = as_identifier(column, RESERVED), json.dumps(column, ensure_ascii=False)
    measured = f"mean({of})" if number else f"share({plan.target})"
    features = {as_identifier(own, RESERVED): f"rows[{json.dumps(own, ensure_ascii=False)}]"} if own else {}
    if number:
        features |= {f"{named}_last": f'here.newest({of}, within="28d")'}
    elif plan.event:
        features |= {"day_of_week": f"rows[{json.dumps(plan.event, ensure_ascii=False)}].dt.weekday()"}
    features |= {f"{named}_28d": f'here.last("28d").{measured}'}
    body = "\n".join(f'        "{name}": {value},' for name, value in features.items())
    imported = "import polars as pl\n\n" if "pl." in body else ""
    return f'''"""The features: some to begin with; docs/how-to/features.md has the vocabulary."""

{imported}from tasks.features.known import Known, Rows


def features(rows: Rows, known: Known) -> dict:
    """A value for each row and name; text is a category."""
    here = known.{plan.table}{by}  # what was known before a prediction is asked for
    return {{
{body}
    }}
'''


def choose_group(plan: Plan) -> str | None:
    """The text by which history may be looked up: of few values that come again; of the key before any other."""
    texts = [name for name, kind in plan.rows.schema.items() if kind == pl.String and name not in plan.outcomes]
    counts = {name: plan.rows[name].n_unique() for name in texts}
    fit = [name for name, count in counts.items() if 1 < count <= min(MANY, plan.rows.height // 2)]
    return min(fit, key=lambda name: (name not in plan.key, counts[name]), default=None)


def may_be_feature(plan: Plan, name: str, kind: pl.DataType) -> bool:
    """Whether a column may be a feature as it is; what identifies a row says nothing of it."""
    return name not in plan.outcomes and name not in plan.key and not kind.is_temporal()


def as_identifier(column: str, taken: Collection[str]) -> str:
    """A column as Python may call it, where some names are taken."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", column).lstrip("_")
    if name.isidentifier() and not iskeyword(name) and name not in taken:
        return name
    return next(found for number in count(1) if (found := f"column_{number}_{name}".rstrip("_")) not in taken)


def list_names(names: list[str]) -> str:
    """Some names as Python, one a line where they are many."""
    line = json.dumps(names, ensure_ascii=False)
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    return line if len(line) < 100 else "[\n        " + ",\n        ".join(quoted) + ",\n    ]"


def write_settings(plan: Plan, settings: dict[str, Any]) -> str:
    """The text of params.yaml: what the defaults would not serve."""
    head = f"# What differs from params.yaml for the model {plan.name}.\n"
    return head + (yaml.safe_dump(settings, sort_keys=False) if settings else "")
