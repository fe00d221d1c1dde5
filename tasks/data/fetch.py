"""One data version between the DVC remote and the cache: python -m tasks.data.fetch pull|push VERSION

A process of its own, so that a remote that never answers can be given up on.
"""

import atexit
import json
import os
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.provenance import who
from tasks.core.workspace import workspace


def open_repo() -> Repo:
    """The workspace as DVC sees it, with or without git."""
    if "DVC_SITE_CACHE_DIR" not in os.environ:  # /var/tmp may be read-only
        os.environ["DVC_SITE_CACHE_DIR"] = make_site_cache()
    os.environ.setdefault("LOGNAME", who())  # DVC asks for the name of the account, which a container may lack
    return Repo(str(workspace().root), config={"core": {"no_scm": True}})


def make_site_cache() -> str:
    """Where DVC keeps its locks: beside our caches; where nothing can be written, in a folder of this process."""
    place = workspace().cache / "dvc"
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    if os.access(place, os.W_OK):
        return str(place)
    try:
        made = tempfile.mkdtemp(prefix="dvc-")
    except OSError:
        raise InputError(f"neither {place} nor a temporary folder can be written: set DVC_SITE_CACHE_DIR") from None
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def find_remote(repo: Repo) -> Path | None:
    """Where the DVC remote lies; None if there is none, or none but that of the sample, which grows with the clone."""
    if not repo.config["core"].get("remote"):
        return None
    path = Path(str(repo.cloud.get_remote_odb().path))
    return None if path.is_absolute() and path.is_relative_to(workspace().root) else path


def pull(version: str) -> None:
    """Bring the listing `version` and every object it names into the cache; the caller verifies them."""
    with open_repo() as repo:
        repo.cloud.pull({HashInfo("md5", version)})
        cache = Path(repo.cache.local.path)
        if object_path(version, cache).is_file():
            repo.cloud.pull({HashInfo("md5", oid) for oid in read_listing(version, cache).values()})


def push(version: str) -> None:
    """Bring the objects of a version that the remote lacks there, the listing last."""
    with open_repo() as repo:
        objects = read_listing(version, Path(repo.cache.local.path)).values()
        for hashes in (set(objects), {version}):
            if failed := repo.cloud.push({HashInfo("md5", oid) for oid in hashes}).failed:
                raise InputError(f"{len(failed)} objects did not arrive")


def object_path(oid: str, cache: Path) -> Path:
    return cache / oid[:2] / oid[2:]


def read_listing(version: str, cache: Path) -> dict[str, str]:
    """The hash of each file of a version by name; a name that leaves the folder, or no hash, is refused."""
    files = {}
    try:
        for entry in json.loads(object_path(version, cache).read_bytes()):
            name, oid = PurePosixPath(entry["relpath"]), entry["md5"]
            if name.is_absolute() or ".." in name.parts:
                raise InputError(f"data version {version} lists the file {str(name)!r}, which leaves data/: refused")
            if not re.fullmatch(r"[0-9a-f]{32}", oid):
                raise InputError(f"data version {version} lists {str(name)!r} under {oid!r}, which is no hash: refused")
            files[str(name)] = oid
    except (ValueError, KeyError, TypeError):
        raise InputError(f"data version {version} is no listing of files as DVC writes it: refused") from None
    return files


if __name__ == "__main__":
    with exit_on_input_error():
        {"pull": pull, "push": push}[sys.argv[1]](sys.argv[2])
