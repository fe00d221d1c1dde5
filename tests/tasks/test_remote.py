"""Data from a real S3 endpoint: whatever is wrong is one sentence in time, and the working copy stays as it is."""

import hashlib
import json
import shutil
import socket
import time
from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from tasks import fetch, snapshot
from tasks.errors import InputError
from tasks.fetch import object_path
from tasks.params import Data
from tasks.snapshot import pull_snapshot, resolve_version
from tasks.stack import ROOT, free_port, make_workspace

DEADLINE = timedelta(seconds=30)
REMOTE = ROOT / ".dvc" / "remote" / "files" / "md5"


@pytest.fixture(scope="module")
def endpoint():
    """A real S3 server on loopback that holds the sample's objects."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    yield address
    server.stop()


@pytest.fixture
def workspace(tmp_path, monkeypatch, endpoint):
    """A workspace whose DVC remote is a bucket of its own, and whose data folder holds a file of the user's."""
    folder = make_workspace(tmp_path / "work space")
    (folder / "data").mkdir()
    (folder / "data" / "mine.txt").write_text("keep me")
    shutil.rmtree(folder / ".dvc" / "remote")
    (folder / ".dvc" / "config").write_text("[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://bucket/dvc\n")
    monkeypatch.setattr(snapshot, "WORKSPACE", folder)
    monkeypatch.setattr(fetch, "WORKSPACE", folder)
    for name, value in {
        "WORKSPACE": str(folder),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield folder
    assert {path.name for path in (folder / "data").rglob("*")} == {"mine.txt"}
    assert (folder / "data" / "mine.txt").read_text() == "keep me"


@pytest.fixture
def bucket(workspace, endpoint):
    """The remote's files, as s3fs sees them."""
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = s3fs.S3FileSystem(endpoint_url=endpoint, key="key", secret="secret")
    if bucket.exists("bucket"):
        bucket.rm("bucket", recursive=True)
    bucket.mkdir("bucket")
    bucket.put(f"{REMOTE}/", "bucket/dvc/files/md5/", recursive=True)
    return bucket


def refused(data_rev=None, deadline=DEADLINE) -> str:
    """The one sentence that a pull ends with, in time."""
    start = time.monotonic()
    with pytest.raises(InputError) as raised:
        pull_snapshot.fn(data_rev, Data(deadline=deadline))
    assert time.monotonic() - start < deadline.total_seconds() + 5
    sentence = str(raised.value)
    print(sentence)
    assert "\n" not in sentence and "Traceback" not in sentence
    return sentence


def planes(bucket) -> str:
    """The key of one object of the remote."""
    listing = json.loads(object_path(resolve_version(None), REMOTE).read_bytes())
    oid = next(entry["md5"] for entry in listing if entry["relpath"] == "planes.parquet")
    return f"bucket/dvc/files/md5/{oid[:2]}/{oid[2:]}"


def test_a_version_is_fetched_whole_and_then_served_from_the_cache(bucket):
    pulled = pull_snapshot.fn(None, Data(deadline=DEADLINE))
    assert len(pulled.files) == 15
    bucket.rm("bucket", recursive=True)
    assert pull_snapshot.fn(None, Data(deadline=DEADLINE)) == pulled


@pytest.mark.parametrize("damage", [lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:], lambda b: b[:-1], lambda b: b""])
def test_a_flipped_bit_or_a_truncation_is_refused_and_the_data_version_named(bucket, damage):
    bucket.pipe(planes(bucket), damage(bucket.cat(planes(bucket))))
    assert f"data version {resolve_version(None)} cannot be had whole" in refused()


def test_a_missing_object_is_refused(bucket):
    bucket.rm(planes(bucket))
    assert "cannot be had whole from the DVC remote" in refused()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"relpath": "../../evil"}, "lists the file '../../evil', which leaves data/"),
        ({"relpath": "/etc/evil"}, "lists the file '/etc/evil', which leaves data/"),
        ({"md5": "../../../../data/mine.txt"}, "which is no hash"),
        ({"md5": None}, "is no listing of files"),
    ],
)
def test_a_listing_that_points_elsewhere_is_refused_and_touches_nothing(bucket, change, sentence):
    entries = json.loads(object_path(resolve_version(None), REMOTE).read_bytes())
    forged = json.dumps([entries[0] | change, *entries[1:]]).encode()
    oid = hashlib.md5(forged).hexdigest()
    bucket.pipe(f"bucket/dvc/files/md5/{oid[:2]}/{oid[2:]}.dir", forged)
    assert sentence in refused(oid)


def test_a_remote_object_that_is_a_link_to_another_file_is_refused(workspace):
    shutil.copytree(ROOT / ".dvc" / "remote", workspace / ".dvc" / "remote")
    config = workspace / ".dvc" / "config"
    config.write_text(config.read_text().replace("s3://bucket/dvc", "remote"))
    local = workspace / ".dvc" / "remote" / "files" / "md5"
    listing = json.loads(object_path(resolve_version(None), local).read_bytes())
    link = object_path(listing[0]["md5"], local)
    link.unlink()
    link.symlink_to(workspace / "params.yaml")
    assert "cannot be had whole from the DVC remote" in refused()


def test_an_endpoint_that_nobody_serves_is_refused(workspace, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert "cannot be had whole from the DVC remote" in refused()


def test_wrong_credentials_are_refused(bucket, endpoint):
    demand_credentials_after(endpoint, b"0")
    try:
        assert "Forbidden" in refused()
    finally:
        demand_credentials_after(endpoint, b"inf")


def demand_credentials_after(endpoint: str, requests: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    with urlopen(Request(f"{endpoint}/moto-api/reset-auth", data=requests, headers=headers, method="POST")):
        pass


def test_a_server_that_accepts_and_never_answers_is_given_up_on_at_the_deadline(workspace, monkeypatch):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(100)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert "did not answer within data.deadline (6 s)" in refused(deadline=timedelta(seconds=6))
