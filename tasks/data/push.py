"""Bringing versions to where others find them: the DVC remote, and git."""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

from dvc.exceptions import DvcException
from prefect import task

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Ingest
from tasks.core.workspace import workspace
from tasks.data.fetch import find_remote, open_repo
from tasks.data.snapshot import Snapshot, run_remote


@task
def commit_and_push(snapshot: Snapshot, ingest: Ingest, timeout: timedelta) -> None:
    """Commit and push, if params.yaml says so; a version that was made before there was a remote is pushed, too."""
    if is_pushed(ingest):
        push_version(snapshot.version, timeout)
    if ingest.commit and run(["git", "status", "--porcelain", "--", "data.dvc"], "git status", timeout):
        commit = ["git", "commit", "--quiet", "-m", f"Data version {snapshot.version}", "--", "data.dvc"]
        run(commit, "git commit", timeout)


def is_pushed(ingest: Ingest) -> bool:
    """Whether versions are pushed: as params.yaml says, else as soon as there is a remote outside of the workspace.

    Raises:
        InputError: They shall be, and there is no such remote.
    """
    if ingest.push is False:
        return False
    remote = remote_elsewhere()
    if ingest.push and remote is None:
        raise InputError(
            "ingest.push is set, but there is no DVC remote outside of the workspace: "
            "`dvc remote add -d storage s3://bucket/dvc` first"
        )
    return remote is not None


def remote_elsewhere() -> Path | None:
    """Where versions may be pushed to."""
    try:
        with open_repo() as repo:
            return find_remote(repo)
    except DvcException as error:
        raise InputError(f"the DVC remote cannot be used: {error}; look at .dvc/config") from None


def push_version(version: str, timeout: timedelta) -> None:
    """Bring what the DVC remote lacks of a version there, once.

    Raises:
        InputError: It does not answer in time, or refuses.
    """
    done = workspace().pushed
    pushed = f"{version} {remote_elsewhere()} {os.environ.get('AWS_ENDPOINT_URL')}"
    if done.is_file() and done.read_text() == pushed:
        return
    if why := run_remote("push", version, timeout):
        raise InputError(f"data version {version} cannot be pushed: {why}; look at .dvc/config and the AWS_* variables")
    with atomic_write(done) as part:
        part.write_text(pushed)


def run(command: list[str], name: str, timeout: timedelta) -> str:
    """Run a command in the workspace; returns its output."""
    seconds = timeout.total_seconds()
    try:
        done = subprocess.run(command, cwd=workspace().root, capture_output=True, text=True, timeout=seconds)
    except FileNotFoundError:
        raise InputError(f"{name} cannot be run: {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{name} did not end within data.timeout ({seconds:g} s): the version is kept here") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise InputError(f"{name} failed: {lines[-1]}")
    return done.stdout
