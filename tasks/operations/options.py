"""The options that commands share, and what they mean."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from cyclopts import Parameter, Token, validators

from tasks.core.errors import InputError
from tasks.core.moments import parse_moment

if TYPE_CHECKING:
    from tasks.core.params import Params


ELSEWHERE = {"model": "give --model NAME", "store": "one store serves all runs: write it into params.yaml"}
LONGEST = 1_000  # characters of a value


class UsageError(InputError):
    """The command was typed wrong."""


def converter(read: Callable[[str], Any]) -> Callable[[type, Sequence[Token]], Any]:
    """What reads the text of an option, and refuses one that cannot be meant."""

    def convert(_: type, tokens: Sequence[Token]) -> Any:
        try:
            return read(tokens[0].value)
        except InputError as error:
            raise ValueError(str(error)) from None

    return convert


def read_address(text: str) -> str:
    """A folder, which is relative to where the command was typed, or s3://bucket/prefix."""
    if not text:
        raise InputError("it is empty: give a folder or s3://bucket/prefix")
    if "://" in text and not text.startswith("s3://"):
        raise InputError(f"{text} is neither a folder nor s3://bucket/prefix")
    return text if "://" in text else str(Path(os.environ.get("PWD", "."), Path(text).expanduser()))


def find_model(name: str) -> str:
    """The name of a model of project/."""
    from tasks.core.use_case import require_model  # takes a while, and most commands need no model by name

    require_model(name)
    return name


AsOf = Annotated[
    datetime | None, Parameter(converter=converter(parse_moment), help="the logical time in UTC, such as 2024-06-01")
]
Since = Annotated[
    datetime | None,
    Parameter(converter=converter(parse_moment), help="rows from this time on; left out, predict.backlog before as_of"),
]
DataRev = Annotated[str | None, Parameter(help="a git revision or tag, or a data version; left out, the current one")]
Model = Annotated[
    str | None,
    Parameter(
        converter=converter(find_model), help="its name; left out, that of params.yaml, or the only one of project/"
    ),
]
Given = Annotated[
    list[str] | None,
    Parameter("--set", negative="", help="a setting for this run alone, such as tuning.n_trials=5; may be repeated"),
]
Address = Annotated[str, Parameter(converter=converter(read_address))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Json = Annotated[bool, Parameter("--json", negative="", help="all of it, for a machine")]


def read_given(model: str | None = None, given: list[str] | None = None) -> "Params":
    """The settings of a run of one model ("" for all), as files, variables and --set say.

    Raises:
        UsageError: A --set names no setting or one that cannot be so, or it is open which model is meant.
    """
    from pydantic import ValidationError

    from tasks.core.params import Params
    from tasks.core.params_files import explain
    from tasks.core.use_case import require_model

    settings: dict[str, Any] = {} if model is None else {"model": model}
    for pair in given or []:
        place(settings, pair)
    try:
        params = Params.model_validate(settings) if given else Params.load(model)
    except ValidationError as error:
        raise UsageError(f"--set: {explain(error, Params)}") from None
    if model is None:
        require_model(params.model)
    return params


def place(settings: dict[str, Any], pair: str) -> None:
    """Put section.name=value into settings; the value is YAML, as in params.yaml."""
    path, equals, text = pair.partition("=")
    *sections, name = path.strip().split(".")
    if path.strip() in ELSEWHERE:
        raise UsageError(f"--set {path}: {ELSEWHERE[path.strip()]}")
    if not (equals and name and all(sections)):
        raise UsageError(f"--set {pair}: give section.name=value, such as tuning.n_trials=5")
    try:
        value = yaml.safe_load(text[:LONGEST])
    except Exception:  # PyYAML has others beside its own
        raise UsageError(f"--set {pair[:100]}: the value is no YAML") from None
    for section in sections:
        settings = settings.setdefault(section, {})
    if not isinstance(settings, dict) or name in settings:
        raise UsageError(f"--set {path}: it is given twice")
    settings[name] = value
