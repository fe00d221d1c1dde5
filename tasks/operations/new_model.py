"""A new model: a working folder in project/, its table in the contract, its schedules in prefect.yaml."""

import re
from datetime import datetime
from itertools import combinations
from pathlib import Path

import polars as pl

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.use_case import FOLDER, folder_of, list_models
from tasks.core.workspace import CODE, workspace
from tasks.features.table import TIME
from tasks.operations.model_texts import TEXT, Plan, parse_target, read_span, write_features, write_table, write_target
from tasks.training.first_look import as_yaml, suit

EMPTY = '''"""What a valid row of each table is, and when it became known."""

import dataframely as dy
import polars as pl

from tasks.features.table import Table

TABLES = {}
'''
NAMED = re.compile(r"^((?:.*[{,] *)?model: *)([a-z0-9-]+)", re.MULTILINE)  # by params.yaml or prefect.yaml
SECOND = "  - {<<: *"  # how a line of prefect.yaml begins that schedules a second model
PLACE = "  # The schedules of a second model"  # in prefect.yaml: they follow it
SCHEDULES = """\
  - {{<<: *predict, name: predict-daily-{name}, parameters: {{model: {name}}}}}
  - {{<<: *monitor, name: monitor-daily-{name}, parameters: {{model: {name}}}}}
  - {{<<: *train, name: train-weekly-{name}, parameters: {{cause: schedule, model: {name}}}}}
"""


def require_new(name: str) -> None:
    """Refuse a name that a model cannot have, or that one has."""
    if not FOLDER.fullmatch(folder_of(name)) or "_" in name:
        raise InputError(f"{name!r} is no name of a model: give small letters, digits, single dashes: late-orders")
    if (CODE / "project" / folder_of(name)).exists():
        raise InputError(f"project/{folder_of(name)}/ is there already: choose another name, or remove it")


def write_model(plan: Plan) -> list[Path]:
    """Write the model's folder, its table and its schedules; returns the files that are new or changed."""
    folder = CODE / "project" / folder_of(plan.name)
    texts = {
        folder / "__init__.py": f'"""The model {plan.name}."""\n',
        folder / "target.py": write_target(plan),
        folder / "features.py": write_features(plan),
        folder / "params.yaml": write_settings(plan),
    }
    if plan.declared is None:
        contract = CODE / "project" / "contract.py"
        text = contract.read_text() if contract.is_file() else EMPTY
        texts[contract] = f"{text.rstrip()}\n\n\n{write_table(plan)}"
    others = list_models()
    for file in (CODE / "prefect.yaml", workspace().params):
        text = file.read_text()
        if (named := name_model(text, plan.name, others)) != text:
            texts[file] = named
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return list(texts)


def name_model(text: str, name: str, others: list[str]) -> str:
    """A settings file with the model in place of one that is gone, or with its schedules beside those of others."""
    named = [found[2] for found in NAMED.finditer(text)]
    if others and set(named) <= set(others):
        place = text.find("\n", max(text.rfind(SECOND), text.find(PLACE))) + 1
        return text[:place] + SCHEDULES.format(name=name) + text[place:] if PLACE in text else text
    kept = [line for line in text.splitlines(keepends=True) if not (line.startswith(SECOND) and gone(line, others))]
    return NAMED.sub(lambda found: found[0] if found[2] in others else found[1] + name, "".join(kept))


def gone(line: str, others: list[str]) -> bool:
    """Whether a line of prefect.yaml schedules a model that project/ no longer holds."""
    return not any(f"model: {name}" in line for name in others)


def write_settings(plan: Plan) -> str:
    """The text of params.yaml: what the defaults would not serve, found in the data."""
    rows = label_rows(plan)
    as_of = rows["label_time"].max()
    assert isinstance(as_of, datetime)
    changes = as_yaml(suit(rows, as_of, Params.load(next(iter(list_models()), None))))
    return f"# What differs from params.yaml for the model {plan.name}.\n{changes}\n"


def label_rows(plan: Plan) -> pl.DataFrame:
    """Event time, label time and target of the rows with an outcome."""
    column, _, _ = parse_target(plan.target, plan.rows.schema)
    if plan.declared is None:
        event = pl.col(plan.event).cast(TIME)
        label = event + read_span(plan.delay)
    else:
        event, label = plan.declared.event_time, plan.declared.outcomes_known_at
    rows = plan.rows.select(event_time=event, label_time=label, target=pl.col(column)).drop_nulls()
    if rows.is_empty():
        raise InputError(f"data/{plan.table} holds no row with a value of {column} and a time: nothing to learn")
    return rows


def check_columns(rows: pl.DataFrame, table: str, event: str, key: list[str], outcomes: list[str]) -> None:
    """Refuse columns that are not there, a key that is none, and an outcome that is part of it."""
    for column in [event, *key, *outcomes]:
        if column not in rows.columns:
            raise InputError(f"data/{table}: there is no column {column!r}, there are {', '.join(rows.columns)}")
    if event not in key:
        raise InputError(f"the event's column {event} must be part of the key: --key {','.join([event, *key])}")
    if both := [column for column in outcomes if column in key]:
        raise InputError(f"{both[0]} identifies a row, so it cannot be told later")
    if doubled := rows.height - rows.select(key).n_unique():
        raise InputError(
            f"{doubled:,} rows of data/{table} share their key {','.join(key)} with another: name more columns"
        )
    if isinstance(kind := rows.schema[event], pl.Datetime) and kind.time_zone is None:
        raise InputError(
            f"data/{table}: {event} is a time without a zone: write it with one, by pl.col({event!r})"
            '.dt.replace_time_zone("UTC") or the zone that it was noted in'
        )


def guess_key(rows: pl.DataFrame, event: str) -> list[str]:
    """The event's column and as few others as make each row unique."""
    others = [name for name, kind in rows.schema.items() if name != event and (kind in TEXT or kind.is_integer())]
    for more in range(3):
        for chosen in combinations(others, more):
            if rows.select(event, *chosen).n_unique() == rows.height:
                return [event, *chosen]
    raise InputError(
        f"no three columns identify a row: give --key {event},COLUMN,COLUMN, or remove what is there twice"
    )
