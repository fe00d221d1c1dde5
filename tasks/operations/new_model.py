"""The files of a new model: its folder in project/, its table in the contract, the schedules of a second one."""

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
from tasks.training.first_look import SPARE, suit

EMPTY = '''"""What a valid row of each table is, and when it became known."""

import dataframely as dy
import polars as pl

from tasks.features.table import Table

TABLES = {}
'''
NAMED = re.compile(r"^(model: *)([a-z0-9-]+)", re.MULTILINE)  # by params.yaml
LONGEST, WORDS = 60, {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
OWN = """\
# Deployments of your own, such as the schedules of a second model. `ml up` deploys them, too, as does
# prefect --no-prompt deploy --all --prefect-file project/deployments.yaml
definitions:
  own: &own
    work_pool: {name: local, job_variables: {command: python -m prefect.engine}}
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}

deployments:
"""
SCHEDULES = """\
  - <<: *own
    name: predict-daily-NAME
    description: Scores NAME, as predict-daily does the default model.
    entrypoint: flows.predict:predict
    tags: [serving]
    parameters: {model: NAME}
    schedules: [{cron: "15 6 * * *", timezone: UTC, slug: daily}]
  - <<: *own
    name: monitor-daily-NAME
    description: Checks the newest window of NAME, as monitor-daily does of the default model.
    entrypoint: flows.monitor:monitor
    tags: [monitoring]
    parameters: {model: NAME}
    schedules: [{cron: "45 6 * * *", timezone: UTC, slug: daily}]
  - <<: *own
    name: train-weekly-NAME
    description: Trains NAME as the policy says, as train-weekly does the default model.
    entrypoint: flows.train:train
    tags: [training]
    parameters: {cause: schedule, model: NAME}
    schedules: [{cron: "30 7 * * 1", timezone: UTC, slug: weekly}]
"""


def require_new(name: str) -> None:
    """Refuse a name that a model cannot have, or that one has."""
    if not FOLDER.fullmatch(folder_of(name)) or "_" in name:
        raise InputError(f"{name!r} is no name of a model: give small letters, digits, single dashes: late-orders")
    if len(name) > LONGEST or name in WORDS:
        raise InputError(
            f"{name[:LONGEST]!r} is no name of a model: YAML means something else by it, or it is too long"
        )
    if name == "contract":
        raise InputError("project/contract.py holds the tables: choose another name for the model")
    if (CODE / "project" / folder_of(name)).exists():
        raise InputError(f"project/{folder_of(name)}/ is there already: choose another name, or remove it")


def write_model(plan: Plan) -> list[Path]:
    """Write the model's folder, its table and its schedules; returns the files that are new or changed."""
    folder, others = CODE / "project" / folder_of(plan.name), list_models()
    settings = suit(*look_at(plan), Params.load(""), SPARE)
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
    params, deployments = workspace().params, CODE / "project" / "deployments.yaml"
    texts[params] = name_default(params.read_text(), plan.name, others)
    if others:
        text = deployments.read_text() if deployments.is_file() else OWN
        texts[deployments] = f"{text.rstrip()}\n{SCHEDULES.replace('NAME', plan.name)}"
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
    return NAMED.sub(lambda found: found[0] if found[2] in others else f"{found[1]}{name}".ljust(len(found[0])), text)
