"""A run that lives is never called crashed: its heartbeats are far closer than anybody's patience."""

import inspect
import subprocess
import sys

import yaml

from flows.tidy import tidy
from stack.local_stack import ROOT

FREQUENCY = "from prefect.settings import get_current_settings; print(get_current_settings().flows.heartbeat_frequency)"
PREFECT_DEFAULT = 180  # seconds: runs started where pyproject.toml does not reach


def test_a_run_sends_many_heartbeats_before_tidy_or_the_automation_calls_it_crashed():
    done = subprocess.run([sys.executable, "-c", FREQUENCY], cwd=ROOT, capture_output=True, text=True)
    frequency = int(done.stdout)
    automations = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
    within = next(a for a in automations if "pulse" in a["name"])["trigger"]["within"]
    patience = inspect.signature(tidy.fn).parameters["patience"].default
    assert min(within, patience) >= 10 * frequency and within > 3 * PREFECT_DEFAULT
