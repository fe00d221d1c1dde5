"""What a run is made of besides data and params: code, lock, packages, machine."""

import getpass
import hashlib
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

CODE = Path(__file__).parents[2]
PACKAGES = ["prefect", "polars", "scikit-learn", "optuna", "skl2onnx", "onnxruntime", "numpy", "dataframely", "dvc"]


def describe_code() -> dict[str, Any]:
    """Commit, whether the tree differs from it (data.dvc aside), lock hash, and package versions.

    An archive without .git has no commit: it is None, and so is dirty.
    """
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--", ".", ":(exclude)data.dvc")
    return {
        "commit": commit,
        "dirty": bool(changes) if commit else None,
        "lock": lock_hash(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def lock_hash() -> str | None:
    """The sha256 of the lock file; None where somebody deleted it."""
    lock = CODE / "requirements.txt"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None


def git(*command: str) -> str | None:
    """What git prints of the code's repository; None where there is none."""
    try:
        done = subprocess.run(["git", "-C", str(CODE), *command], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def who() -> str:
    """The account this process runs under; in a container it may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
