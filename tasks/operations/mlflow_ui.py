"""MLflow's own UI, which is not in the lock (it is large), on what the loop mirrors to it."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from tasks.core.errors import InputError, without_secrets
from tasks.core.workspace import CODE, workspace


def open_ui(port: int) -> None:
    """Serve MLflow's UI on loopback until Ctrl-C.

    Raises:
        InputError: A server shows it already, nothing was mirrored yet, or neither MLflow nor uv is there.
    """
    database = workspace().tracking_database
    if server := os.environ.get("MLFLOW_TRACKING_URI"):
        raise InputError(f"MLFLOW_TRACKING_URI names {without_secrets(server)}: its UI is there")
    if not database.is_file():
        raise InputError("nothing is mirrored to MLflow yet: `ml train` does it")
    address = ["--backend-store-uri", f"sqlite:///{database}", "--host", "127.0.0.1", "--port", str(port)]
    print(f"MLflow's UI will be at http://127.0.0.1:{port}; Ctrl-C stops it", flush=True)
    subprocess.run([*find_mlflow(), "ui", *address], cwd=workspace().state)


def find_mlflow() -> list[str]:
    """The command of a whole MLflow: that of this environment, else one that uv keeps apart."""
    try:
        version("mlflow")
        return [sys.executable, "-m", "mlflow"]
    except PackageNotFoundError:
        uv = shutil.which("uv", path=f"{os.environ.get('PATH', '')}{os.pathsep}{CODE / '.uv' / 'bin'}")
    if uv is None:
        raise InputError("the UI needs uv, which fetches MLflow for it: pip install uv")
    return [uv, "tool", "run", "--from", f"mlflow=={version('mlflow-skinny')}", "mlflow"]
