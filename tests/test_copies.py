"""The repository works wherever and however it was copied, and whatever servers its user has."""

from pathlib import Path

import pytest
from copies import bash, copy_files, copy_repository, environment_of

from stack.local_stack import make_workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]

TRAIN = "PARAMS_TUNING__N_TRIALS=2 python -m flows.train --as-of 2013-03-01"


def listing(folder: Path) -> dict[Path, float]:
    """Every file with the time of its last change; compiled code aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path: path.stat().st_mtime for path in files}


def test_a_template_copy_trains_on_its_own_revisions(server, tmp_path):
    folder = copy_repository(tmp_path / "copy")
    environment = environment_of(folder, server)
    assert "version 1, verdict: promote" in bash(f"{TRAIN} --data-rev HEAD", folder, environment)
    assert "clean" in bash("git status", folder, environment)
    bash("git tag jan && rm data.dvc", folder, environment)
    assert "nothing new since version 1" in bash(f"{TRAIN} --data-rev jan", folder, environment)


def test_nothing_is_written_beside_the_workspace(server, tmp_path):
    folder = copy_files(tmp_path / "read only")
    workspace = make_workspace(tmp_path / "workspace")
    bash("chmod -R a-w .", folder, environment_of(folder, server))
    before = listing(folder)
    environment = environment_of(folder, server) | {"WORKSPACE": str(workspace), "PYTHONPATH": str(folder)}
    assert "version 1, verdict: promote" in bash(TRAIN, tmp_path, environment)
    assert "no earlier champion" in bash("python -m flows.rollback bad || true", tmp_path, environment)
    assert listing(folder) == before
    assert (workspace / "state" / "mlflow.db").is_file()
    bash("chmod -R u+w .", folder, environment)
