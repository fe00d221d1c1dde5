"""The repository works wherever and however it was copied, and whatever servers its user has."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from copies import bash, copy_files, copy_repository, environment_of

from stack.local_stack import ROOT, make_workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]

TRAIN = "PARAMS_TUNING__N_TRIALS=2 python -m flows.train --as-of 2013-03-01"
PRIVATE = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc"]
NAMELESS = "unshare --user --map-user=54321"


def listing(folder: Path) -> dict[Path, float]:
    """Every file with the time of its last change; compiled code aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path: path.stat().st_mtime for path in files}


def only_card(workspace: Path) -> dict:
    """The card of the only version."""
    (file,) = (workspace / "store" / "bundles").glob("*/card.json")
    return json.loads(file.read_text())


def can_be_nameless() -> bool:
    commands = f"mount -t tmpfs -o ro tmpfs /mnt; {NAMELESS} true"
    return subprocess.run([*PRIVATE, commands], capture_output=True).returncode == 0


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
    assert (workspace / "store" / "decisions").is_dir() and (workspace / "state" / "mlflow.db").is_file()
    bash("chmod -R u+w .", folder, environment)


def test_a_clone_that_belongs_to_another_user_records_its_commit(server, tmp_path):
    folder = copy_repository(tmp_path / "copy")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    environment = environment_of(folder, server)
    commit = bash("git rev-parse HEAD", folder, environment).strip()
    assert "dubious ownership" in bash("git status 2>&1 || true", folder, environment | nobody)
    assert "version 1, verdict: promote" in bash(f"{TRAIN} --data-rev HEAD", folder, environment | nobody)
    card = only_card(folder)
    assert (card["commit"], card["dirty"]) == (commit, False)


def test_without_git_a_training_runs_and_has_no_commit(server, tmp_path):
    folder = copy_files(tmp_path / "archive")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    path = str(tmp_path / "bin")
    assert shutil.which("git", path=path) is None
    environment = environment_of(folder, server, PARAMS_TUNING__N_TRIALS="2") | {"PATH": path}
    command = [sys.executable, "-m", "flows.train", "--as-of", "2013-03-01"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "version 1, verdict: promote" in done.stdout
    card = only_card(folder)
    assert (card["commit"], card["dirty"]) == (None, None)


@pytest.mark.skipif(not can_be_nameless(), reason="no mount namespaces: run it as root, or allow unprivileged ones")
def test_a_user_without_a_name_trains_with_a_read_only_home_and_nowhere_to_write_but_the_workspace(server, tmp_path):
    workspace, home = make_workspace(tmp_path / "workspace"), tmp_path / "home"
    home.mkdir()
    environment = environment_of(workspace, server, PARAMS_TUNING__N_TRIALS="2")
    environment |= {
        "WORKSPACE": str(workspace),
        "HOME": str(home),
        "PREFECT_HOME": str(workspace / "state" / "prefect"),
    }
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        environment.pop(name, None)
    train = f"{shlex.quote(sys.executable)} -m flows.train --as-of 2013-03-01"
    commands = f"""
        mount -t tmpfs -o ro tmpfs {home}
        mount -t tmpfs -o ro tmpfs /var/tmp
        {NAMELESS} {train}
    """
    done = subprocess.run([*PRIVATE, commands], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "version 1, verdict: promote" in done.stdout
    assert only_card(workspace)["by"] == "uid 54321"


def test_without_the_demo_everything_else_stands(server, tmp_path):
    folder = copy_repository(tmp_path / "copy")
    environment = environment_of(folder, server)
    bash("rm -rf demo tests/demo", folder, environment)
    assert (
        bash("git grep -nE '(import|from) +demo' -- '*.py' ':!demo' ':!tests/demo' || true", folder, environment) == ""
    )
    bash("ruff check && ruff format --check && lint-imports", folder, environment)
    collected = bash("python -m pytest --collect-only -q -m ''", folder, environment)
    assert "tests/test_copies.py: " in collected and "demo" not in collected
    bash("python -m pytest tests/test_repository.py tests/evaluation tests/stack/test_up.py", folder, environment)
