"""What is said of the data at a glance: whether it is in one place only, and what is in quarantine."""

from pathlib import Path

from tasks.core.errors import InputError, counted, first_line, without_secrets
from tasks.core.workspace import workspace
from tasks.data.fetch import find_remote, object_path, open_repo, read_listing
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import FILE, read_quarantine
from tasks.data.versions import find_current, known_versions


def tell_copies() -> str:
    """The current data version, and whether this machine and the DVC remote have all of it, in a sentence."""
    if not workspace().data_dvc.is_file() and not known_versions():
        return "none yet: put tables into data/, then `dvc add data`"
    try:
        version = find_current()
    except InputError as error:
        return str(error)
    try:
        return f"version {version}{compare(version)}"
    except Exception as error:  # DVC has one for each kind of remote
        return f"version {version}; where it is kept is unknown: {without_secrets(first_line(error))}"


def tell_quarantine() -> str:
    """How many rows and files are in no data version; "" if none is."""
    try:
        positions = read_quarantine(read_current_ledger())["position"]
    except InputError as error:
        return f"what is in quarantine is unknown: {error}"
    files = int((positions == FILE).sum())
    found = [counted(n, what) for n, what in ((len(positions) - files, "row"), (files, "file")) if n]
    return f"in quarantine: {' and '.join(found)}: `ml quarantine` lists them" if found else ""


def compare(version: str) -> str:
    """Which of the objects of a version are in the cache and in the remote."""
    with open_repo() as repo:
        cache, remote = Path(repo.cache.local.path), repo.config["core"].get("remote")
        listed = object_path(version, cache).is_file()
        objects = {version, *(read_listing(version, cache).values() if listed else [])}
        alone = " is in one place only: `dvc remote add -d storage URL`, and the next ingest pushes it there"
        if not remote:
            return alone
        odb = repo.cloud.get_remote_odb()
        if odb.fs.protocol != "local":
            odb.fs.ls(odb.path)  # raises where the search below would find nothing
        lacking = objects - set(odb.oids_exist(list(objects)))
        inner = find_remote(repo) is None
    if not lacking and inner:
        return alone
    if not lacking:
        return f", whole in the DVC remote {remote}" if listed else f", in the DVC remote {remote}"
    if not listed:
        return f" is neither in this machine's DVC cache nor whole in the DVC remote {remote}: restore a backup"
    return f" is NOT whole in the DVC remote {remote}: `dvc push`, and ingest.push in params.yaml for the next ones"
