"""A run on a full disk ends with one sentence and goes on with free space; on a read-only disk what reads works."""

import shlex
import subprocess
import sys

import pytest
from disks import PRIVATE, can_mount

from stack.local_stack import ROOT, clean_environment, make_workspace

MOUNTS = pytest.mark.skipif(not can_mount(), reason="no mount namespaces: run it as root, or allow unprivileged ones")
pytestmark = [pytest.mark.server, pytest.mark.slow, MOUNTS]


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


def test_in_a_workspace_to_read_only_what_reads_works_and_what_writes_is_one_sentence(tmp_path, server):
    workspace = make_workspace(tmp_path / "workspace")
    variables = {"PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path), "PARAMS_TUNING__N_TRIALS": "1"}
    environment = clean_environment(workspace, **variables)
    ml = f"{shlex.quote(sys.executable)} -m flows.cli"
    commands = f"""
        {ml} train --as-of 2013-02-20 > /dev/null
        {ml} quarantine > /dev/null
        mount --bind {workspace} {workspace}; mount -o remount,ro,bind {workspace}
        for reads in status quarantine versions audit "audit 1" features; do {ml} $reads > /dev/null; done
        for writes in predict monitor ingest "train --as-of 2013-03-20" "promote 1 again"; do
          {ml} $writes > /dev/null && echo "$writes went through"; done; true
    """
    done = subprocess.run([*PRIVATE, commands], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout == "", done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 5 and all(line.startswith("error: ") for line in lines), done.stderr
