"""The repository works wherever and however it was copied, and whatever servers its user has."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from copies import bash, copy_files, copy_repository, environment_of

from tasks.stack import make_workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]

TRAIN = "PARAMS_TUNING__N_TRIALS=2 python -m flows.train --as-of 2013-03-01"
HOSTILE = {
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "PREFECT_API_KEY": "pnu_somebody",
    "PREFECT_PROFILE": "no-such-profile",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "WORKSPACE": "/proc/nowhere",
    "PARAMS_TUNING__N_TRIALS": "100",
    "HOME": "/proc/nowhere",
}


def listing(folder: Path) -> dict[Path, float]:
    """Every file with the time of its last change; compiled code aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path: path.stat().st_mtime for path in files}


def test_the_demo_runs_in_an_archive_with_a_space_in_its_path_from_elsewhere_in_spite_of_the_users_settings(tmp_path):
    folder = copy_files(tmp_path / "an archive")
    environment = environment_of(folder, "") | HOSTILE | {"PYTHONPATH": str(folder)}
    said = bash("python -m tasks.demo", Path("/"), environment)
    assert "10 of 10 trials" in said and "s in all." in said
    assert "starts train/on-drift in the worker" in said and "starts rollback/on-degraded in the worker" in said
    gain = float(re.search(r"the loop gained ([0-9.]+) log loss", said)[1])
    assert 0.006 <= gain <= 0.016
    check_causes(folder / "store" / "demo" / "store")


def check_causes(store: Path) -> None:
    """What the server's database and the record say of the story: every retrain and rollback had its event."""
    database = sqlite3.connect(store / "prefect" / "prefect.db")
    started = database.execute(
        "select d.name, f.state_type, f.parameters, f.created_by from flow_run f "
        "join deployment d on d.id = f.deployment_id where not f.auto_scheduled order by f.created"
    ).fetchall()
    assert [(name, state) for name, state, _, _ in started] == [
        ("on-drift", "COMPLETED"),
        ("on-drift", "COMPLETED"),
        ("on-degraded", "COMPLETED"),
    ]
    assert all(json.loads(created_by)["type"] == "AUTOMATION" for *_, created_by in started)
    windows = [json.loads(parameters).get("window") for _, _, parameters, _ in started]
    assert windows == ["2013-06-01", "2013-08-01", None]
    events = dict(database.execute("select event, count(*) from events group by event"))
    assert events["data.landed"] == 8 and events["data.drifted"] == 2 and events["model.degraded"] == 1
    assert events["model.promoted"] == 4 and events["model.rejected"] == 2 and events["model.rolled-back"] == 1
    assert (store / "skill.png").stat().st_size > 10_000
    assert len(list((store / "reports").glob("*.html"))) >= 2


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
    assert (workspace / "store" / "mlflow.db").is_file()
    bash("chmod -R u+w .", folder, environment)
