"""A run that lives is never called crashed: its heartbeats are far closer than anybody's patience."""

import inspect
import re
import subprocess
import sys

import yaml

from flows.tidy import tidy
from tasks.stack import ROOT

FREQUENCY = "from prefect.settings import get_current_settings; print(get_current_settings().flows.heartbeat_frequency)"
PREFECT_DEFAULT = 180  # seconds: runs started where pyproject.toml does not reach
AUTOMATIONS = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
RULE = next(automation for automation in AUTOMATIONS if "pulse" in automation["name"])["trigger"]


def test_a_run_sends_many_heartbeats_before_tidy_or_the_automation_calls_it_crashed():
    done = subprocess.run([sys.executable, "-c", FREQUENCY], cwd=ROOT, capture_output=True, text=True)
    frequency = int(done.stdout)
    patience = inspect.signature(tidy.fn).parameters["patience"].default
    assert min(RULE["within"], patience) >= 10 * frequency and RULE["within"] > 3 * PREFECT_DEFAULT


def test_the_automation_watches_every_flow_of_the_repository():
    text = "\n".join(path.read_text() for path in (ROOT / "flows").glob("*.py"))
    flows = re.findall(r"^@flow\b.*\ndef (\w+)", text, re.MULTILINE)
    assert sorted(RULE["match_related"]["prefect.resource.name"]) == sorted(flows)
