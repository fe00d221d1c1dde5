"""Whether the data is in one place only."""

import yaml

from tasks.core.errors import first_line
from tasks.core.workspace import workspace
from tasks.data.fetch import open_repo


def tell_copies() -> str:
    """The current data version, and whether the DVC remote has it, in a sentence."""
    if not workspace().data_dvc.is_file():
        return "none yet: put tables into data/, then `dvc add data`"
    try:
        version = yaml.safe_load(workspace().data_dvc.read_text())["outs"][0]["md5"]
        with open_repo() as repo:
            remote = repo.config["core"].get("remote")
            there = bool(remote) and repo.cloud.get_remote_odb().exists(version)
    except Exception as error:  # DVC has one for each kind of remote
        return f"unknown where it is kept: {first_line(error)}"
    if there:
        return f"version {version}, in the DVC remote {remote} too"
    mend = "`dvc push`, and ingest.push in params.yaml for the next ones" if remote else "`dvc remote add -d NAME URL`"
    return f"version {version} is in this machine's DVC cache ONLY: {mend}"
