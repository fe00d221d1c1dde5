"""`make .venv` fills its own environment and no other, and repairs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from copies import copy_files

from stack.local_stack import ROOT

pytestmark = pytest.mark.slow

BREAKAGES = {
    "lost its Python": "ln -sfn /nonexistent/python .venv/bin/python",
    "was emptied": "rm -r .venv/lib/python*/site-packages/*",
    "was never filled": "rm -r .venv && mkdir .venv && touch .venv/installed",
    "was cut off while it was filled": "rm -r .venv/installed .venv/bin/ruff",
    "was made elsewhere": "echo /nonexistent | tee .venv/lib/python*/site-packages/*prefect_ml_lifecycle*.pth",
}
USE = "import importlib.util, tasks; assert importlib.util.find_spec('prefect'); print(tasks.__file__)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the repository with an environment; its lock holds two packages, which is enough and quick."""
    copy = copy_files(tmp_path_factory.mktemp("setup") / "a copy")
    lock = copy / "requirements.txt"
    lock.write_text("".join(re.findall(r"^(?:prefect|ruff)==.*\n(?: .*\n)+", lock.read_text(), re.MULTILINE)))
    shell("make .venv", copy)
    return copy


def shell(commands: str, folder: Path, path: str = "", **variables: str) -> str:
    """What some commands print in that folder, with the uv of this repository; they must succeed."""
    path = os.pathsep.join(part for part in (path, str(ROOT / ".uv" / "bin"), os.environ["PATH"]) if part)
    environment = os.environ | {"PATH": path} | variables
    done = subprocess.run(["sh", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def works(folder: Path) -> bool:
    """Whether the environment runs ruff, holds prefect and imports the modules of that folder."""
    module = shell(f'.venv/bin/ruff --version > /dev/null; .venv/bin/python -Ic "{USE}"', folder)
    return Path(module.strip()) == folder / "tasks" / "__init__.py"


def test_an_active_environment_is_left_alone(folder, tmp_path):
    foreign = tmp_path / "foreign"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", foreign], check=True)
    before = {path: path.lstat().st_mtime_ns for path in foreign.rglob("*")}
    active = dict.fromkeys(("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"), str(foreign))
    others = {"UV_SYSTEM_PYTHON": "1", "PYTHONHOME": "/nonexistent", "PYTHONPATH": "/nonexistent"}
    shell("rm -r .venv; make .venv", folder, str(foreign / "bin"), **active, **others)
    assert works(folder)
    assert {path: path.lstat().st_mtime_ns for path in foreign.rglob("*")} == before


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_an_environment_is_repaired_that(folder, breakage):
    shell(f"{breakage}; make .venv", folder)
    assert works(folder)


def test_an_environment_that_works_stays_as_it_is(folder):
    assert "Setting up" not in shell("make .venv", folder)
