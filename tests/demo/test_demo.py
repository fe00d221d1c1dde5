"""The whole demo, in an archive of the repository, with somebody who hears its alerts."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from copies import copy_files, environment_of
from receivers import fill_in_block, receiver
from stacks import WAIT, flow, prefect, read_until
from stores import use_workspace

from stack.local_stack import clean_environment
from tasks.core.tables import read_rows
from tasks.data.versions import DATA_VERSIONS
from tasks.registry.decision_log import find_entry, read_log
from tasks.registry.entries import Checked, Judged, Move

pytestmark = [pytest.mark.server, pytest.mark.slow]

HOSTILE = {
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "PREFECT_API_KEY": "pnu_somebody",
    "PREFECT_PROFILE": "no-such-profile",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "WORKSPACE": "/proc/nowhere",
    "PARAMS_TUNING__N_TRIALS": "100",
    "HOME": "/proc/nowhere",
}


def test_the_demo_runs_in_an_archive_with_a_space_in_its_path_from_elsewhere_in_spite_of_the_users_settings(tmp_path):
    folder = copy_files(tmp_path / "an archive")
    environment = environment_of(folder, "") | HOSTILE | {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "demo"]
    with receiver() as (address, heard):
        demo = subprocess.Popen(command, cwd="/", env=environment, text=True, stdout=subprocess.PIPE)
        said = read_until(demo, "The server is up")
        switch_alerts_on(folder / "demo" / "workspace", address)
        said += demo.communicate(timeout=3 * WAIT)[0]
    print(said)
    assert demo.returncode == 0, said
    assert "10 of 10 trials" in said and "s in all." in said
    for name in ("train/train-on-drift", "rollback/rollback-on-degraded"):
        assert f"starts {name} in the worker" in said
    gain = float(re.search(r"the loop gained ([0-9.]+) log loss", said)[1])
    assert 0.006 <= gain <= 0.016
    check_causes(folder / "demo" / "workspace")
    assert sorted(text[: text.index(":", 25)] for text in heard) == [
        "[monitoring] drift: late-arrivals, window 2013-06-01",
        "[monitoring] drift: late-arrivals, window 2013-08-01",
        "[serving] degraded: late-arrivals, version 5",
        "[serving] rolled back: late-arrivals to version 3",
    ]


def windows_of(workspace: Path, events: list[str]) -> list[str]:
    """The windows of the checks that events name."""
    usual = Path(os.environ["WORKSPACE"])
    use_workspace(workspace)
    log = read_log("late-arrivals")
    use_workspace(usual)
    checks = [find_entry(log, event, Checked) for event in events]
    return [check.window for check in checks if check]


def count_record(workspace: Path) -> dict[str, int]:
    """How often the record says what events tell: landings by table, promotions, rejections, rollbacks."""
    usual = Path(os.environ["WORKSPACE"])
    use_workspace(workspace)
    entries, versions = read_log("late-arrivals").entries, read_rows(DATA_VERSIONS)
    use_workspace(usual)
    moves = Counter(entry.kind for entry in entries if isinstance(entry, Move))
    return {
        "data.landed": sum(len(json.loads(changes)) for changes in versions["changes"]),
        "model.promoted": moves["promotion"],
        "model.rejected": sum(isinstance(entry, Judged) and entry.decision == "reject" for entry in entries),
        "model.rolled-back": moves["rollback"],
    }


def switch_alerts_on(workspace: Path, address: str) -> None:
    """What a user does who wants to hear, twice over."""
    log = (workspace / "state" / "prefect" / "server.log").read_text()
    api = re.search(r"http://127.0.0.1:\d+", log)[0] + "/api"
    environment = clean_environment(workspace, PREFECT_API_URL=api)
    fill_in_block(environment, "alerts", address)
    for _ in range(2):
        assert "alerts are on" in flow(environment, "tasks.operations.sync")
    automations = prefect(environment, "automation", "ls").stdout
    assert automations.count("run failed") == automations.count("monitoring is silent") == 1


def check_causes(workspace: Path) -> None:
    """What the server's database and the record say of the story: every retrain and rollback had its event."""
    database = sqlite3.connect(workspace / "state" / "prefect" / "prefect.db")
    started = database.execute(
        "select d.name, f.state_type, f.parameters, f.created_by from flow_run f "
        "join deployment d on d.id = f.deployment_id where not f.auto_scheduled order by f.created"
    ).fetchall()
    assert [(name, state) for name, state, _, _ in started] == [
        ("train-on-drift", "COMPLETED"),
        ("train-on-drift", "COMPLETED"),
        ("rollback-on-degraded", "COMPLETED"),
    ]
    assert all(json.loads(created_by)["type"] == "AUTOMATION" for *_, created_by in started)
    scheduled = database.execute(
        "select count(*) from flow_run where auto_scheduled and start_time > "
        "(select min(start_time) from flow_run where deployment_id is null)"
    )
    assert scheduled.fetchone() == (0,)  # no schedule takes part in the story, whatever the time of day
    events = [json.loads(parameters)["event"] for _, _, parameters, _ in started]
    assert windows_of(workspace, events) == ["2013-06-01", "2013-08-01", "2013-12-01"]
    told = dict(database.execute("select event, count(*) from events group by event"))
    recorded = count_record(workspace)
    assert recorded == {"data.landed": 8 * 2, "model.promoted": 4, "model.rejected": 2, "model.rolled-back": 1}
    assert told["data.drifted"] == 2 and told["model.degraded"] == 1  # or nothing had been started
    assert {event: told[event] for event in recorded} == recorded
    assert (workspace / "store" / "skill.png").stat().st_size > 10_000
    assert len(list((workspace / "store" / "reports").glob("*.html"))) >= 2
