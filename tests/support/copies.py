"""Copies of the repository, and what a user types in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stack.local_stack import ROOT, clean_environment

MADE = (".git", ".venv", ".uv", ".env", ".hypothesis", "store", "state", "cache", "data", "landing", "demo/workspace")
MADE += (".dvc/cache", ".dvc/tmp", ".dvc/config.local")


def copy_files(folder: Path) -> Path:
    """What an archive of the repository holds, with what is not committed yet."""

    def left_out(parent: str, names: list[str]) -> set[str]:
        paths = {name: (Path(parent) / name).relative_to(ROOT).as_posix() for name in names}
        return {name for name, path in paths.items() if path in MADE or name.endswith(("__pycache__", "_cache"))}

    return shutil.copytree(ROOT, folder, ignore=left_out)


def copy_repository(folder: Path) -> Path:
    """What "Use this template" makes: the same files as the first commit of a new history, without tags."""
    copy_files(folder)
    bash("git init -q && git add -A && git commit -q -m template", folder, os.environ)
    return folder


def bash(commands: str, folder: Path, environment) -> str:
    """What some shell commands print; they must succeed."""
    return shell("bash", commands, folder, environment)


def shell(name: str, commands: str, folder: Path, environment) -> str:
    """What some commands print in a shell of this name; they must succeed."""
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = dict(environment) | identity | path
    done = subprocess.run([name, "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def environment_of(folder: Path, server: str, **variables: str) -> dict[str, str]:
    """What a user has who works in that folder."""
    home = {"PREFECT_HOME": str(folder.parent), "PYTHONPATH": str(folder), "WORKSPACE": ""}
    return clean_environment(folder, PREFECT_API_URL=server, **variables) | home
