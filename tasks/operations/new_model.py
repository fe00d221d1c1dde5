"""The files of a new model: its folder in project/, its table in the contract, its schedules in prefect.yaml."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.use_case import FOLDER, folder_of, list_models
from tasks.core.workspace import CODE, workspace
from tasks.operations.model_plan import Plan, look_at
from tasks.operations.model_texts import write_features, write_settings, write_table, write_target
from tasks.training.first_look import suit

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
