"""Fetch one data version from the DVC remote into the cache: python -m tasks.fetch VERSION

A process of its own, so that a remote that never answers can be given up on.
"""

import json
import sys
from pathlib import Path

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from tasks.params import WORKSPACE


def open_repo() -> Repo:
    """The workspace as DVC sees it, with or without git."""
    return Repo(str(WORKSPACE), config={"core": {"no_scm": True}})


def fetch(version: str) -> None:
    """Bring the listing `version` and every object it names into the cache; checking them is the reader's work."""
    with open_repo() as repo:
        repo.cloud.pull({HashInfo("md5", version)})
        listing = Path(repo.cache.local.oid_to_path(version))
        if listing.is_file():
            repo.cloud.pull({HashInfo("md5", entry["md5"]) for entry in json.loads(listing.read_bytes())})


if __name__ == "__main__":
    fetch(sys.argv[1])
