"""The use case: what a model predicts, and from which tables. The only module that loads project/."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import polars as pl

from tasks.core.errors import InputError
from tasks.core.workspace import CODE


@dataclass(frozen=True)
class UseCase:
    """One model's contract, target and features, as project/contract.py and project/NAME/ declare them."""

    model: str
    tables: dict[str, Any]  # the dataframely schema of each table of data/
    rows: str  # the table whose rows are predicted
    event_time: pl.Expr  # of a row to predict
    prediction_time: pl.Expr  # when its prediction is asked for
    target: pl.Expr  # null: no outcome, or none yet
    known_at: dict[str, pl.Expr]  # by table: when a row's values became known
    watched: dict[str, pl.Expr]  # what a drift check watches beside the features
    lookback: timedelta  # how far before a row's event its features may look
    build_features: Callable[[pl.DataFrame, dict[str, pl.DataFrame]], pl.DataFrame]

    @property
    def key(self) -> list[str]:
        """The columns that identify a row to predict."""
        return self.tables[self.rows].primary_key()

    @property
    def code(self) -> tuple[str, str]:
        """Patterns of the files of project/ that the model is made of: its folder, and what all models share."""
        return "project/*.py", f"project/{folder_of(self.model)}/**/*.py"

    @cached_property
    def estimator(self) -> ModuleType | None:
        """The model's own search space and pipeline: project/NAME/estimator.py, loaded on first use; None without."""
        name = f"project.{folder_of(self.model)}.estimator"
        return load_part(name) if (CODE / f"{name.replace('.', '/')}.py").is_file() else None


@cache
def load_use_case(model: str) -> UseCase:
    """The use case of a model.

    Raises:
        InputError: project/ holds no such model, or a part of it cannot be loaded or lacks a name.
    """
    require_model(model)
    contract = load_part("project.contract")
    target, features = (load_part(f"project.{folder_of(model)}.{part}") for part in ("target", "features"))
    try:
        return UseCase(
            model=model,
            tables=contract.TABLES,
            rows=target.ROWS,
            event_time=contract.EVENT_TIME[target.ROWS],
            prediction_time=target.PREDICTION_TIME,
            target=target.TARGET,
            known_at=contract.KNOWN_AT | {target.ROWS: contract.KNOWN_AT[target.ROWS]},
            watched=target.WATCHED,
            lookback=require_span(features.LOOKBACK),
            build_features=features.build_features,
        )
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"project/ lacks {error}: EVENT_TIME and KNOWN_AT need an entry for ROWS, the modules all names of "
            "docs/how-to/your-data.md"
        ) from None


def require_model(model: str) -> None:
    """Refuse a name that is no model of project/."""
    if model not in list_models():
        raise InputError(f"project/ holds no model {model!r}: it holds {', '.join(list_models()) or 'none'}")


def require_span(lookback: Any) -> timedelta:
    """LOOKBACK of a features.py, if it is one."""
    if not isinstance(lookback, timedelta) or not timedelta(0) <= lookback <= timedelta(days=36_500):
        raise InputError(f"features.py: LOOKBACK is {lookback!r}, it must be a timedelta of 0 days or more")
    return lookback


def load_part(name: str) -> ModuleType:
    """Import a module of project/, or say in one sentence why not."""
    try:
        return import_module(name)
    except Exception as error:  # whatever the user's code raises
        raise InputError(f"{name.replace('.', '/')}.py cannot be imported: {type(error).__name__}: {error}") from error


def list_models() -> list[str]:
    """The models of project/ by name: a folder late_arrivals/ with a target.py is the model late-arrivals."""
    folders = [file.parent.name for file in (CODE / "project").glob("*/target.py")]
    return sorted(folder.replace("_", "-") for folder in folders if folder.isidentifier())


def folder_of(model: str) -> str:
    """The folder of a model in project/."""
    return model.replace("-", "_")
