"""The use case: what a model predicts, and from which tables. The only module that loads project/."""

import re
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import polars as pl

from tasks.core.errors import InputError, first_line
from tasks.core.workspace import CODE
from tasks.features.build import Features, Function
from tasks.features.index import Index, Values
from tasks.features.learn import check_alone, learn_terms
from tasks.features.reach import Reach, measure_reach, refuse_known_later
from tasks.features.table import POLARS_ERRORS, Table, as_utc, check_references, check_table, in_utc, looks_across

META = ["key", "event_time", "label_time", "target", "watched"]  # all other columns of a feature frame are features
RESERVED = {*META, "score"}  # a check adds the score to the features
IMPORTED = re.compile(r"^\s*(?:from project import|from project\.|import project\.)\s*(\w+)", re.MULTILINE)
FOLDER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")  # of a model: its name is a key in Prefect, too


@dataclass(frozen=True)
class UseCase:
    """One model's contract, target and features, as project/contract.py and project/NAME/ declare them."""

    model: str
    tables: dict[str, Table]
    rows: str  # the table whose rows are predicted
    prediction_time: pl.Expr  # when a row's prediction is asked for
    target: pl.Expr  # null: no outcome, or none yet
    watched: dict[str, pl.Expr]  # what a drift check watches beside the features
    features: Features
    reach: Reach  # of the tables that they are made of

    @property
    def predicted(self) -> Table:
        """The table whose rows are predicted."""
        return self.tables[self.rows]

    @property
    def event_time(self) -> pl.Expr:
        """Of a row to predict."""
        assert self.predicted.event_time is not None
        return self.predicted.event_time

    @property
    def label_time(self) -> pl.Expr:
        """When the outcome of a row to predict became known; null: not yet, or never."""
        assert self.predicted.outcomes_known_at is not None
        return self.predicted.outcomes_known_at

    @property
    def key(self) -> list[str]:
        """The columns that identify a row to predict."""
        return self.predicted.key

    @property
    def used(self) -> set[str]:
        """The tables that its features are made of, and that of its rows."""
        return {self.rows, *(term.table for term in self.features.terms or ())}

    @property
    def target_type(self) -> pl.DataType:
        """Of the target as it is declared: Boolean, or a number, which may be 0 or 1 in every row."""
        return self.predicted.empty.select(self.target).dtypes[0]

    @cached_property
    def code(self) -> tuple[str, ...]:
        """Patterns of the files that make the model's features: its folder, what else it imports, the vocabulary."""
        folders = find_folders(folder_of(self.model))
        return "project/*.py", *(f"project/{folder}/**/*.py" for folder in folders), "tasks/features/*.py"

    @cached_property
    def estimator(self) -> ModuleType | None:
        """The model's own search space and pipeline: project/NAME/estimator.py, loaded on first use; None without."""
        name = f"project.{folder_of(self.model)}.estimator"
        return load_part(name) if (CODE / f"{name.replace('.', '/')}.py").is_file() else None

    def build_features(self, rows: pl.DataFrame, index: Index) -> pl.DataFrame:
        """The features of rows of the predicted table, one row for each; String and Float32 columns."""
        with blame(f"project/{folder_of(self.model)}/features.py"):
            return self.features.build(rows, index)

    def feature_values(self, rows: pl.DataFrame, index: Index, **asked: Any) -> dict[str, Values]:
        """The same features as arrays, for who scores them at once; `asked` is as Features.values takes it."""
        with blame(f"project/{folder_of(self.model)}/features.py"):
            return self.features.values(rows, index, **asked)[0]

    def check_alone(self, rows: pl.DataFrame, index: Index, features: pl.DataFrame) -> None:
        """Refuse features of a row that depend on other rows asked for, or on what was known later."""
        with blame(f"project/{folder_of(self.model)}/features.py"):
            check_alone(self.features, rows, index, features)


@cache
def load_use_case(model: str) -> UseCase:
    """The use case of a model.

    Raises:
        InputError: project/ holds no such model, or a part of it cannot be used.
    """
    require_model(model)
    contract = load_part("project.contract")
    target, features = (load_part(f"project.{folder_of(model)}.{part}") for part in ("target", "features"))
    with name_missing():
        watched = getattr(target, "WATCHED", {})
        parts = contract.TABLES, target.ROWS, target.PREDICTION_TIME, target.TARGET, watched, features.features
    return declare(model, *parts)


def load_tables() -> dict[str, Table]:
    """The tables of data/ as project/contract.py declares them for all models.

    Raises:
        InputError: A declaration cannot hold.
    """
    contract = load_part("project.contract")
    with name_missing():
        return check_tables(contract.TABLES)


def check_tables(tables: dict[str, Table]) -> dict[str, Table]:
    """The tables as they were declared, times in UTC."""
    with blame("project/contract.py"):
        for name, table in tables.items():
            check_table(name, table)
            check_references(name, tables)
        return {name: in_utc(name, table) for name, table in tables.items()}


@contextmanager
def name_missing() -> Generator[None]:
    """Say which name a file of project/ lacks."""
    try:
        yield
    except AttributeError as error:
        raise InputError(f"{error}: docs/how-to/your-data.md says what each file of project/ must name") from None


def declare(
    model: str,
    tables: dict[str, Table],
    rows: str,
    prediction_time: pl.Expr,
    target: pl.Expr,
    watched: dict[str, pl.Expr],
    function: Function,
) -> UseCase:
    """A use case of its parts, which are checked before any time is spent."""
    folder, tables = f"project/{folder_of(model)}", check_tables(tables)
    with blame(f"{folder}/target.py"):
        check_target(tables, rows, target, prediction_time)
        prediction_time = as_utc("PREDICTION_TIME", tables[rows], "it", prediction_time)
        refuse_known_later(rows, tables[rows], prediction_time)
    if tables[rows].known_at is None:
        tables = tables | {rows: replace(tables[rows], known_at=prediction_time)}
    with blame(f"{folder}/features.py"):
        features = learn_terms(Features(function, rows, prediction_time), tables, RESERVED | watched.keys())
    with blame("project/contract.py"):
        reach = measure_reach(tables, rows, prediction_time, features.terms or ())
    return UseCase(model, tables, rows, prediction_time, target, watched, features, reach)


def check_target(tables: dict[str, Table], rows: str, target: pl.Expr, prediction_time: pl.Expr) -> None:
    """Refuse a target that features could see, and a prediction time that follows from what is only told later."""
    if rows not in tables:
        raise ValueError(f"ROWS is {rows!r}, but contract.py declares {', '.join(tables)}")
    if tables[rows].event_time is None or not tables[rows].outcomes:
        raise ValueError(f"the rows of {rows} are predicted, so contract.py must declare its event_time and outcomes")
    if later := sorted(set(prediction_time.meta.root_names()) & set(tables[rows].outcomes)):
        raise ValueError(f"PREDICTION_TIME is made of the outcome {later[0]}, which is not known by then")
    kind = tables[rows].empty.select(target).dtypes[0]
    if kind == pl.String:
        raise ValueError(
            'TARGET is text: compare it, such as pl.col("kept") == "yes"; of several classes make a model for each'
        )
    if kind != pl.Boolean and not kind.is_numeric():
        raise ValueError(f"TARGET is {kind}: make it Boolean or a number, such as .dt.total_minutes() of a time span")
    if looks_across(target):
        raise ValueError("TARGET looks across rows: an outcome of a row must follow from its own columns")
    seen = sorted(set(target.meta.root_names()) - set(tables[rows].outcomes))
    if seen or not target.meta.root_names():
        raise ValueError(
            f"TARGET is made of {', '.join(seen) or 'no column'}, but only of outcomes may it be: add to the outcomes "
            f"of {rows} in contract.py what becomes known with them; of what is known before, deliver its part in "
            "TARGET, such as a difference, as an outcome of its own"
        )


@contextmanager
def blame(file: str) -> Generator[None]:
    """Tell what is wrong with a user's file in one sentence, with the line where it is known."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit, *POLARS_ERRORS) as error:  # whatever the user's code raises
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
        where = f"{file}, line {lines[-1]}" if lines else file
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise InputError(f"{where}: {kind}{first_line(error)}") from error


def require_model(model: str) -> None:
    """Refuse a name that is no model of project/."""
    models = list_models()
    if not model and models:
        raise InputError(f"project/ holds {len(models)} models: name {' or '.join(models)}, as model (--model NAME)")
    if not models:
        raise InputError("there is no model yet: `ml new NAME` begins one")
    if model not in models:
        raise InputError(f"project/ holds no model {model!r}: it holds {', '.join(models) or 'none'}")


def load_part(name: str) -> ModuleType:
    """Import a module of project/, or say in one sentence why not."""
    if not (CODE / f"{name.replace('.', '/')}.py").is_file():
        raise InputError(f"there is no {name.replace('.', '/')}.py yet: `ml new NAME` writes it")
    with blame(f"{name.replace('.', '/')}.py"):
        return import_module(name)


def list_models() -> list[str]:
    """The models of project/ by name: a folder late_arrivals/ with a target.py is the model late-arrivals."""
    folders = [file.parent.name for file in (CODE / "project").glob("*/target.py")]
    return sorted(folder.replace("_", "-") for folder in folders if FOLDER.fullmatch(folder))


def find_folders(folder: str) -> list[str]:
    """A folder of project/, and those that its modules import from."""
    found, rest = set(), {folder}
    while rest:
        files = sorted((CODE / "project" / rest.pop()).rglob("*.py"))
        found |= {file.relative_to(CODE / "project").parts[0] for file in files}
        rest |= {name for file in files for name in IMPORTED.findall(file.read_text(errors="replace"))} - found
    return sorted(found)


def folder_of(model: str) -> str:
    """The folder of a model in project/."""
    return model.replace("-", "_")
