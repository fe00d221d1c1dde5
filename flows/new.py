"""Begin a new model, with three example features and settings that suit its data: python -m flows.new NAME"""

import argparse
import sys

import polars as pl

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.use_case import load_tables
from tasks.core.workspace import CODE, workspace
from tasks.features.table import Table, to_plain
from tasks.operations.model_texts import Plan, parse_target
from tasks.operations.new_model import check_columns, guess_key, require_new, write_model


def new(name: str, given: argparse.Namespace) -> None:
    """Ask what the options leave open, and write the model.

    Args:
        name: Of the model, such as late-orders.
        given: The options.
    """
    require_new(name)
    declared = load_tables() if (CODE / "project" / "contract.py").is_file() else {}
    table = given.table or ask("table of data/ whose rows are predicted", *find_tables())
    rows = read_rows(table)
    about = (name, table, rows, given)
    plan = plan_declared(*about, declared[table]) if table in declared else plan_new(*about)
    for file in write_model(plan):
        print(f"wrote {file.relative_to(CODE) if file.is_relative_to(CODE) else file}")
    print(f"next: dvc add data (if data/ changed), then python -m flows.train --model {name}")


def plan_declared(name: str, table: str, rows: pl.DataFrame, given: argparse.Namespace, declared: Table) -> Plan:
    """A model on a table of the contract."""
    if declared.event_time is None or not declared.outcomes:
        raise InputError(f"project/contract.py declares no event_time and outcomes of {table}: add them first")
    event = next(c for c in declared.event_time.meta.root_names() if rows.schema[c].is_temporal())
    target, ahead = ask_target(list(declared.outcomes), given)
    return Plan(name, table, rows, event, declared.key, list(declared.outcomes), "0h", target, ahead, declared)


def plan_new(name: str, table: str, rows: pl.DataFrame, given: argparse.Namespace) -> Plan:
    """A model on a table that the contract lacks."""
    times = [column for column, kind in rows.schema.items() if kind in (pl.Date, pl.Datetime)]
    if not times:
        raise InputError(f"data/{table} has no column of times: a row to predict needs the time of its event")
    event = given.event or ask("column with the time of a row's event", *times)
    key = split(given.key or ask("columns that identify a row", ",".join(guess_key(rows, event))))
    target, ahead = ask_target([column for column in rows.columns if column not in key], given)
    column, _, _ = parse_target(target, rows.schema)
    later = given.outcomes or ask(
        "columns that are told only later, as the target is, so that no feature sees them", column
    )
    outcomes = list(dict.fromkeys([column, *split(later)]))
    check_columns(rows, table, event, key, outcomes)
    delay = given.delay or ask("how long after the event the target is known, such as 30m, 6h or 1d", "1d")
    return Plan(name, table, rows, event, key, outcomes, delay, target, ahead)


def ask_target(columns: list[str], given: argparse.Namespace) -> tuple[str, str]:
    """What is predicted, and how long before the event."""
    hint = "what is predicted: a column, whose value is, or a condition such as 'minutes >= 15' or 'kept == yes'"
    target = given.target or ask(hint, *columns)
    when = "how long before the event the prediction is asked for, such as 2h; 0h is at it"
    return target, given.ahead or ask(when, "0h")


def ask(question: str, *offered: str) -> str:
    """An answer from the terminal; the first that is offered if it is empty, or if nobody is there."""
    if not sys.stdin.isatty():
        if len(offered) == 1:
            print(f"{question}: {offered[0]}")
            return offered[0]
        raise InputError(f"say by an option, {question}: {', '.join(offered)} (python -m flows.new --help)")
    shown = f" ({', '.join(offered)})" if len(offered) > 1 else ""
    return input(f"{question}{shown} [{offered[0]}]: ").strip() or offered[0]


def split(names: str) -> list[str]:
    """Names that commas separate."""
    return [name.strip() for name in names.split(",") if name.strip()]


def find_tables() -> list[str]:
    """The tables of data/."""
    found = sorted({path.stem for path in workspace().data.glob("*") if path.is_dir() or path.suffix == ".parquet"})
    if not found:
        raise InputError(f"{workspace().data} holds no table: put it there as NAME.parquet, or as NAME/YYYY-MM.parquet")
    return found


def read_rows(table: str) -> pl.DataFrame:
    """All rows of a table of data/, in plain types."""
    file = workspace().data / f"{table}.parquet"
    files = [file] if file.is_file() else sorted((workspace().data / table).glob("*.parquet"))
    if not files:
        raise InputError(f"there is no data/{table}.parquet and no data/{table}/, but {', '.join(find_tables())}")
    try:
        return to_plain(pl.read_parquet(files))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"data/{table} cannot be read: {str(error).splitlines()[0]}") from None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.new", description=__doc__)
    parser.add_argument("name", help="of the model, such as late-orders")
    parser.add_argument("--table", help="of data/, whose rows are predicted")
    parser.add_argument("--target", help="a column, or a condition such as 'minutes >= 15' or 'kept == yes'")
    parser.add_argument("--ahead", help="how long before the event the prediction is asked for, such as 2h")
    parser.add_argument("--event", help="column with the time of a row's event, for a table that the contract lacks")
    parser.add_argument("--key", help="columns that identify a row, such as at,shop")
    parser.add_argument("--outcomes", help="columns that are told only later, such as minutes,kept")
    parser.add_argument("--delay", help="how long after the event the target is known, such as 1d")
    with exit_on_input_error():
        options = parser.parse_args()
        new(options.name, options)
