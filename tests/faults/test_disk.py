"""A full disk ends a run with one sentence, and after some space is freed the next run does the work."""

import shlex
import subprocess
import sys

import pytest
from disks import PRIVATE, can_mount

from stack.local_stack import ROOT, clean_environment, make_workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.mark.skipif(not can_mount(), reason="no mount namespaces: run it as root, or allow unprivileged ones")
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(tmp_path, server):
    workspace = make_workspace(tmp_path / "workspace")
    variables = {"PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path), "PARAMS_TUNING__N_TRIALS": "1"}
    environment = clean_environment(workspace, **variables)
    train = f"{shlex.quote(sys.executable)} -m flows.train --as-of 2013-03-20"
    roots = " ".join(str(workspace / root) for root in ("store", "state", "cache"))
    commands = f"""
        for root in {roots}; do mkdir -p $root; mount -t tmpfs -o size=2m tmpfs $root; done
        {train} && exit 7
        for root in {roots}; do mount -o remount,size=200m $root; done
        {train}
    """
    done = subprocess.run([*PRIVATE, commands], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("error: the disk is full: free some space and run it again") == 1
    assert "version 1, verdict: promote" in done.stdout + done.stderr
