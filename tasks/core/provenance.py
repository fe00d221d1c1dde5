"""Provenance of a run besides data and params: code, lock file, packages, machine."""

import getpass
import hashlib
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.core.workspace import CODE

PACKAGES = ["prefect", "polars", "scikit-learn", "optuna", "skl2onnx", "onnxruntime", "numpy", "dataframely", "dvc"]


def describe_code() -> dict[str, Any]:
    """Commit, whether the tree differs from it (data.dvc aside), lock hash, and package versions.

    An archive without .git has no commit: it is None, and so is dirty.
    """
    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain", "--", ".", ":(exclude)data.dvc"))
    except GitError:
        commit = dirty = None
    return {
        "commit": commit,
        "dirty": dirty,
        "lock": lock_hash(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def is_reason(text: str) -> bool:
    """Whether a text can stand on the record as a reason: it holds a letter or a digit."""
    return any(map(str.isalnum, text))


def lock_hash() -> str | None:
    """The sha256 of the lock file; None where somebody deleted it."""
    lock = CODE / "requirements.txt"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


class GitError(Exception):
    """Git is not there, or said why it could not."""


def git(*command: str, folder: Path = CODE) -> str:
    """Run git, also in a clone that belongs to another user; returns what it prints.

    Raises:
        GitError: There is no git, no repository, or git refused.
    """
    full = ["git", "-c", "safe.directory=*", "-C", str(folder), *command]
    try:
        done = subprocess.run(full, capture_output=True, text=True)
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    if done.returncode:
        raise GitError(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout.strip()


def who() -> str:
    """The user name of this process, or its uid where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
