"""Whether the data is in one place only."""

import re
from pathlib import Path

import yaml

from tasks.core.errors import first_line, without_secrets
from tasks.core.workspace import workspace
from tasks.data.fetch import object_path, open_repo, read_listing


def tell_copies() -> str:
    """The current data version, and whether this machine and the DVC remote have all of it, in a sentence."""
    if not workspace().data_dvc.is_file():
        return "none yet: put tables into data/, then `dvc add data`"
    try:
        version = str(yaml.safe_load(workspace().data_dvc.read_text())["outs"][0]["md5"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        version = ""
    if not re.fullmatch(r"[0-9a-f]{32}\.dir", version):
        return "data.dvc holds no outs[0].md5 of a folder: restore it from git, or run `dvc add data`"
    try:
        return f"version {version}{compare(version)}"
    except Exception as error:  # DVC has one for each kind of remote
        return f"version {version}; where it is kept is unknown: {without_secrets(first_line(error))}"


def compare(version: str) -> str:
    """Which of the objects of a version are in the cache and in the remote."""
    with open_repo() as repo:
        cache, remote = Path(repo.cache.local.path), repo.config["core"].get("remote")
        listed = object_path(version, cache).is_file()
        objects = {version, *(read_listing(version, cache).values() if listed else [])}
        if not remote:
            return ", without a DVC remote: `dvc remote add -d NAME URL`, then `dvc push`"
        odb = repo.cloud.get_remote_odb()
        if odb.fs.protocol != "local":
            odb.fs.ls(odb.path)  # raises where the search below would find nothing
        lacking = objects - set(odb.oids_exist(list(objects)))
    if not lacking:
        return f", whole in the DVC remote {remote}" if listed else f", in the DVC remote {remote}"
    if not listed:
        return f" is neither in this machine's DVC cache nor whole in the DVC remote {remote}: restore a backup"
    return f" is NOT whole in the DVC remote {remote}: `dvc push`, and ingest.push in params.yaml for the next ones"
