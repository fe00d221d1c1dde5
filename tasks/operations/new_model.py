"""A new model: what it is about, from answers and data; its folder in project/, its table, its schedules."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import polars as pl

from tasks.core.errors import InputError, first_line
from tasks.core.params import Params
from tasks.core.use_case import FOLDER, folder_of, list_models, load_tables
from tasks.core.workspace import CODE, workspace
from tasks.data.reader import describe_zoneless
from tasks.features.table import TIME, Table, to_plain
from tasks.operations.model_texts import (
    Plan,
    Target,
    is_usable,
    read_span,
    write_features,
    write_settings,
    write_table,
    write_target,
)
from tasks.training.first_look import suit

INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
Ask = Callable[..., str]  # the answer to a question of flows/new.py, which may be one of those offered

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
    if name == "contract":
        raise InputError("project/contract.py holds the tables: choose another name for the model")
    if (CODE / "project" / folder_of(name)).exists():
        raise InputError(f"project/{folder_of(name)}/ is there already: choose another name, or remove it")


def plan_model(name: str, ask: Ask) -> Plan:
    """What a model is about.

    Args:
        name: Its name.
        ask: Answers table, target and ahead; of a table that the contract lacks event, key, outcomes and delay, too.

    Raises:
        InputError: An answer does not suit the data.
    """
    declared = load_tables() if (CODE / "project" / "contract.py").is_file() else {}
    table = ask("table", *find_tables())
    rows = read_data(table)
    if table in declared:
        return plan_declared(name, table, rows, declared[table], ask)
    return plan_new(name, table, rows, ask)


def plan_declared(name: str, table: str, rows: pl.DataFrame, declared: Table, ask: Ask) -> Plan:
    """A model on a table of the contract."""
    if declared.event_time is None or not declared.outcomes:
        raise InputError(f"project/contract.py declares no event_time and outcomes of {table}: add them first")
    target = Target.parse(ask("target", *declared.outcomes), rows.schema)
    if target.column not in declared.outcomes:
        raise InputError(f"{target.column} is no outcome of {table} in project/contract.py: add it there first")
    require_columns(rows, table, *declared.columns)
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
    times = [column for column, kind in rows.schema.items() if kind in (pl.Date, pl.Datetime)]
    if not times:
        raise InputError(f"data/{table} has no column of times: a row to predict needs the time of its event")
    event = ask("event", *times)
    if event not in times:
        raise InputError(f"data/{table}: {event!r} is no column of times, these are: {', '.join(times)}")
    target = Target.parse(ask("target", *(column for column in rows.columns if column != event)), rows.schema)
    outcomes = list(dict.fromkeys([target.column, *split_names(ask("outcomes", target.column))]))
    require_columns(rows, table, *outcomes)
    key = split_names(ask("key", ",".join(guess_key(rows, event, outcomes))))
    check_key(rows, table, event, key)
    if both := [column for column in outcomes if column in key]:
        raise InputError(f"{both[0]} identifies a row, so it cannot be told later: give another --key or --outcomes")
    ahead, delay = read_ahead(ask, rows, event), ask("delay", "2d" if rows.schema[event] == pl.Date else "1d")
    read_span(delay)
    return Plan(name, table, rows, event, key, outcomes, delay, target, ahead)


def find_tables() -> list[str]:
    """The tables of data/."""
    found = sorted({path.stem for path in workspace().data.glob("*") if path.is_dir() or path.suffix == ".parquet"})
    if not found:
        raise InputError(f"{workspace().data} holds no table: put it there as NAME.parquet, or as NAME/YYYY-MM.parquet")
    return found


def read_data(table: str) -> pl.DataFrame:
    """All rows of a table of data/, in plain types; columns of lists and the like are left out."""
    file = workspace().data / f"{table}.parquet"
    files = [file] if file.is_file() else sorted((workspace().data / table).glob("*.parquet"))
    if not files:
        raise InputError(f"there is no data/{table}.parquet and no data/{table}/, but {', '.join(find_tables())}")
    if not table.isidentifier():
        raise InputError(f"data/{table}: a table needs a name of letters, digits and underscores: features name it")
    try:
        rows = to_plain(pl.read_parquet(files))
    except pl.exceptions.PolarsError as error:
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
    """Refuse a key that identifies no row, and an event's time that has no zone or lies outside of it."""
    require_columns(rows, table, *key)
    if event not in key:
        raise InputError(f"the event's column {event} must be part of the key: --key {','.join([event, *key])}")
    if doubled := rows.height - rows.select(key).n_unique():
        shared = f"{doubled:,} rows of data/{table} share their key with another"
        raise InputError(f"{shared}: --key {','.join(key)} needs more columns")
    if nulls := rows.select(key).null_count().sum_horizontal().item():
        raise InputError(f"data/{table}: {nulls:,} values of the key {','.join(key)} are null: leave these rows out")
    if isinstance(kind := rows.schema[event], pl.Datetime) and kind.time_zone is None:
        raise InputError(f"data/{table}: {describe_zoneless(event)}")


def guess_key(rows: pl.DataFrame, event: str, outcomes: list[str]) -> list[str]:
    """The event's column and as few others as make each row unique; none that is null somewhere or told later."""
    known = rows.drop(event, *outcomes)
    others = [column.name for column in known if not column.null_count() and column.dtype in (pl.String, *INTEGERS)]
    for more in range(3):
        for chosen in combinations(others, more):
            if rows.select(event, *chosen).n_unique() == rows.height:
                return [event, *chosen]
    return [event]


def split_names(names: str) -> list[str]:
    """Names that commas separate."""
    return [name.strip() for name in names.split(",") if name.strip()]


def write_model(plan: Plan) -> list[Path]:
    """Write the model's folder, its table and its schedules; returns the files that are new or changed."""
    folder, others = CODE / "project" / folder_of(plan.name), list_models()
    settings = suit(*look_at(plan), Params.load(""))
    texts = {
        folder / "__init__.py": f'"""The model {plan.name}."""\n',
        folder / "target.py": write_target(plan),
        folder / "features.py": write_features(plan),
        folder / "params.yaml": write_settings(plan, settings),
    }
    if plan.declared is None:
        contract = CODE / "project" / "contract.py"
        text = contract.read_text() if contract.is_file() else EMPTY
        texts[contract] = f"{text.rstrip()}\n\n\n{write_table(plan)}"
    params, deployments = workspace().params, CODE / "prefect.yaml"
    texts[params] = name_default(params.read_text(), plan.name, others)
    texts[deployments] = name_schedules(deployments.read_text(), plan.name, others)
    before = {file: file.read_text() if file.is_file() else None for file in texts}
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if hindrance := try_loading(plan.name):
        take_back(before, folder)
        raise InputError(f"nothing was written, since it could not be used: {hindrance}; rename the table or column")
    return [file for file in texts if texts[file] != before[file]]


def try_loading(model: str) -> str:
    """Why a model cannot be loaded, in a process that knows nothing of what its files held before; empty if it can."""
    code = "import sys; from tasks.core import errors, use_case\nwith errors.exit_on_input_error():\n"
    code += "    use_case.load_use_case(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, model], cwd=CODE, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or ["it ended without a word"]
    return lines[-1].removeprefix("error: ") if done.returncode else ""


def take_back(before: dict[Path, str | None], folder: Path) -> None:
    """Let files hold what they held before; a folder that is new goes."""
    for file, text in before.items():
        file.unlink() if text is None else file.write_text(text)
    shutil.rmtree(folder)


def look_at(plan: Plan) -> tuple[pl.DataFrame, datetime]:
    """Event time, label time and target of the rows with an outcome, and the time that the clock of the data shows."""
    if plan.declared is None:
        event = pl.col(plan.event or "").cast(TIME)
        label = event + read_span(plan.delay)
    else:
        event, label = plan.declared.event_time, plan.declared.outcomes_known_at
    every = plan.rows.select(event_time=event, label_time=label, target=pl.col(plan.target.column))
    rows = every.drop_nulls()
    newest = [every["event_time"].max(), rows["label_time"].max()]
    if rows.is_empty():
        raise InputError(f"data/{plan.table} holds no row with a value of {plan.target.column}: nothing to learn")
    return rows, min(datetime.now(UTC), max(time for time in newest if isinstance(time, datetime)))


def name_default(text: str, name: str, others: list[str]) -> str:
    """params.yaml with the model in place of one that project/ no longer holds."""
    return NAMED.sub(lambda found: found[0] if found[2] in others else found[1] + name, text)


def name_schedules(text: str, name: str, others: list[str]) -> str:
    """prefect.yaml with schedules of the model: those of one that project/ no longer holds, or three more."""
    kept = [line for line in text.splitlines(keepends=True) if not (line.startswith(SECOND) and is_gone(line, others))]
    text = "".join(kept)
    if any(is_gone(line, others) for line in kept):
        return name_default(text, name, others)
    place = text.find("\n", max(text.rfind(SECOND), text.find(PLACE))) + 1
    return text[:place] + SCHEDULES.format(name=name) + text[place:] if PLACE in text else text


def is_gone(line: str, others: list[str]) -> bool:
    """Whether a line names a model that project/ no longer holds."""
    named = NAMED.search(line)
    return named is not None and named[2] not in others
