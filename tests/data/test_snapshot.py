"""A run reads one verified version of the data, or says in one sentence why it cannot."""

import hashlib
import json
import subprocess
import sys

import pytest
from stores import use_workspace

from stack.local_stack import ROOT, clean_environment, make_workspace
from tasks.core.errors import InputError
from tasks.data.fetch import object_path
from tasks.data.snapshot import cache_folder, pull_snapshot, resolve_version


def test_a_version_is_named_by_data_dvc_by_its_hash_or_by_a_git_revision(snapshot, own_workspace):
    assert resolve_version(None) == resolve_version(snapshot.version) == snapshot.version
    if (ROOT / ".git").exists():
        use_workspace(ROOT)
        assert resolve_version("HEAD").endswith(".dir")


@pytest.mark.parametrize("data_rev", ["no-such-tag", "--output=/tmp/x", "0" * 32])
def test_an_unknown_revision_is_refused_by_name(snapshot, params, data_rev):
    with pytest.raises(InputError, match=data_rev):
        pull_snapshot.fn(data_rev, params.data)


def test_a_missing_data_dvc_is_told_with_the_fix(own_workspace):
    (own_workspace / "data.dvc").unlink()
    with pytest.raises(InputError, match=r"data.dvc is missing: .*dvc add data"):
        resolve_version(None)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:], lambda b: None])
def test_a_damaged_or_missing_object_in_the_cache_is_fetched_again(snapshot, params, damage):
    path = snapshot.files["planes.parquet"]
    whole = path.read_bytes()
    path.unlink()
    if (damaged := damage(whole)) is not None:
        path.write_bytes(damaged)
    pull_snapshot.fn(None, params.data)
    assert path.read_bytes() == whole


def test_an_object_that_the_remote_lost_is_one_sentence(tmp_path):
    workspace = make_workspace(tmp_path / "workspace")
    objects = (path for path in (workspace / ".dvc" / "remote").rglob("*") if path.is_file() and path.suffix != ".dir")
    next(objects).unlink()
    code = (
        "from tasks.core.params import Params; from tasks.data.snapshot import pull_snapshot; "
        "pull_snapshot.fn(None, Params.load().data)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=clean_environment(workspace), capture_output=True, text=True)
    assert "InputError: data version" in done.stderr and "cannot be had whole from the DVC remote" in done.stderr


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil"])
def test_a_listing_that_leaves_the_folder_is_refused(snapshot, params, name):
    cache = cache_folder()
    entries = json.loads(object_path(snapshot.version, cache).read_bytes())
    entries[0]["relpath"] = name
    forged = json.dumps(entries).encode()
    version = hashlib.md5(forged).hexdigest() + ".dir"
    object_path(version, cache).parent.mkdir(exist_ok=True)
    object_path(version, cache).write_bytes(forged)
    with pytest.raises(InputError, match="leaves data/"):
        pull_snapshot.fn(version, params.data)
