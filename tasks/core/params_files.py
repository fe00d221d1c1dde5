"""Reading the settings from files and variables, and naming the setting that a wrong name may have meant."""

import os
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tasks.core.errors import InputError
from tasks.core.use_case import folder_of, list_models, require_model
from tasks.core.workspace import CODE, workspace

# Settings that have another name now and mean the same.
RENAMED = {
    "data.deadline": "data.timeout",
    "gate.max_unfaithful_share": "gate.max_onnx_mismatch",
    "ingest.source": "ingest.landing",
    "promotion.patience": "promotion.review_timeout",
}
SHARED = {"store", "ingest", "sources"}  # of the workspace, whichever model
MISSING = object()


def fill_in(given: dict[str, Any]) -> dict[str, Any]:
    """Merge what a run gives over PARAMS_* variables, project/NAME/params.yaml and params.yaml."""
    base, variables, given = read_settings(workspace().params), translate(read_variables()), translate(given)
    model = given["model"] if "model" in given else variables.get("model") or default_model(base)
    own = read_own(str(model)) if model else {}
    settings: dict[str, Any] = {}
    for source in (base, own, variables, given):
        settings = override(settings, source)
    return settings | {"model": model}


def find_source(model: str | None, setting: Sequence[str | int]) -> str:
    """The file or variable that a setting of a model comes from."""
    base, variables = read_settings(workspace().params), translate(read_variables())
    model = model or str(variables.get("model") or default_model(base))
    own = own_file(model)
    for source, settings in (("a PARAMS_ variable", variables), (str(own), read_settings(own))):
        found: Any = settings
        for name in setting[:2]:
            found = found.get(name, MISSING) if isinstance(found, dict) else found
        if found is not MISSING:
            return source
    return str(workspace().params)


def override(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Sections of settings over others; each value, a mapping too, is taken whole."""
    sections = {name for name, value in over.items() if isinstance(value, dict) and isinstance(base.get(name), dict)}
    return base | {name: base[name] | value if name in sections else value for name, value in over.items()}


def default_model(base: dict[str, Any]) -> str:
    """The only model of project/, else the one that params.yaml names; "" where neither tells."""
    models = list_models()
    if len(models) == 1:
        return models[0]
    named = base.get("model") if models else None
    if named is not None and named not in models:
        raise InputError(f"params.yaml: model is {named!r}, but project/ holds {', '.join(models)}")
    return named or ""


def own_file(model: str) -> Path:
    """Where what differs for a model stands."""
    return CODE / "project" / folder_of(model) / "params.yaml"


def read_own(model: str) -> dict[str, Any]:
    """What differs for a model.

    Raises:
        InputError: There is no such model, or its file sets what is one for all models.
    """
    require_model(model)
    file = own_file(model)
    own = read_settings(file)
    if own.get("model", model) != model:
        raise InputError(f"{file} says model: {own['model']}, but the name is that of its folder: remove the line")
    if shared := SHARED & own.keys():
        raise InputError(f"{file} sets {min(shared)}, which is one for all models: move it to params.yaml")
    return own


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Deep merge of two nested dicts; values of `over` win."""
    return base | {
        name: merge(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in over.items()
    }


def read_variables() -> dict[str, Any]:
    """The settings of the PARAMS_* variables: PARAMS_TUNING__N_TRIALS=5 is tuning.n_trials, values as in YAML."""
    found: dict[str, Any] = {}
    for variable, value in sorted(os.environ.items()):
        if variable.startswith("PARAMS_"):
            nested = parse_yaml(value, variable)
            for name in reversed(variable.removeprefix("PARAMS_").lower().split("__")):
                nested = {name: nested}
            found = merge(found, nested)
    return found


def read_settings(file: Path) -> dict[str, Any]:
    """The settings of a YAML file under their names of today; none where there is no file."""
    found = parse_yaml(file.read_bytes(), str(file)) if file.is_file() else None
    if not isinstance(found or {}, dict):
        raise InputError(f"{file} holds no settings: write them as NAME: VALUE")
    return translate({name: value for name, value in (found or {}).items() if value is not None})


def parse_yaml(text: str | bytes, source: str) -> Any:
    """The value of a YAML text, or one sentence that names its source."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None


def translate(given: dict[str, Any]) -> dict[str, Any]:
    """Settings under their names of today; where both names are given, today's wins."""
    result = {name: dict(value) if isinstance(value, dict) else value for name, value in given.items()}
    for old, new in RENAMED.items():
        (section, name), (_, today) = old.split("."), new.split(".")
        settings = result.get(section)
        if isinstance(settings, dict) and name in settings:
            value = settings.pop(name)
            settings.setdefault(today, value)
    return result


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The faults of a validation, each with the full name of its setting and, if unknown, the nearest known one."""
    faults = []
    for fault in error.errors():
        name = ".".join(map(str, fault["loc"]))
        unknown = fault["type"] == "extra_forbidden"
        faults.append(f"{name}: no such setting{nearest(name, model)}" if unknown else f"{name}: {fault['msg']}")
    return "; ".join(faults)


def nearest(name: str, model: type[BaseModel]) -> str:
    """A guess which setting was meant, as the end of a sentence."""
    known = {name: full for full in names_of(model) for name in (full, full.split(".")[-1])}
    found = get_close_matches(name, known, 1) or get_close_matches(name.split(".")[-1], known, 1)
    return f"; did you mean {known[found[0]]}?" if found else ""


def names_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The full names of all settings, such as tuning.n_trials."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from names_of(field.annotation, f"{prefix}{name}.")
