"""Data from a real S3 endpoint: whatever is wrong is one sentence in time, and the working copy stays as it is."""

import hashlib
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from urllib.request import Request, urlopen

import polars as pl
import pytest
import s3fs
from flaky import flaky
from landings import set_back, take_in_all

from stack.local_stack import ROOT, free_port
from tasks.core.errors import InputError
from tasks.core.params import Data, Ingest
from tasks.core.use_case import load_tables
from tasks.data.deliveries import open_news
from tasks.data.fetch import object_path
from tasks.data.landing import LandingPlace
from tasks.data.ledger import SCHEMA
from tasks.data.places import Places
from tasks.data.publish import adopt_version, publish_version
from tasks.data.push import commit_and_push
from tasks.data.snapshot import Snapshot, pull_snapshot, resolve_version
from tasks.data.take_in import Intake
from tasks.data.versions import parse_version, write_data_dvc

DEADLINE = timedelta(seconds=120)
SLACK = 60  # seconds that a busy machine may take on top; a server that hangs would take minutes
REMOTE = ROOT / ".dvc" / "remote" / "files" / "md5"


@pytest.fixture
def workspace(own_workspace, monkeypatch, endpoint):
    """A workspace whose DVC remote is a bucket of its own, and whose data folder holds a file of the user's."""
    folder = own_workspace
    (folder / "data").mkdir()
    (folder / "data" / "mine.txt").write_text("keep me")
    for kept in ("cache", "remote"):
        shutil.rmtree(folder / ".dvc" / kept)
    (folder / ".dvc" / "config").write_text("[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://bucket/dvc\n")
    for name, value in {
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
        pull_snapshot.fn(data_rev, Data(timeout=deadline))
    assert time.monotonic() - start < deadline.total_seconds() + SLACK
    sentence = str(raised.value)
    print(sentence)
    assert "\n" not in sentence and "Traceback" not in sentence
    return sentence


def planes(bucket) -> str:
    """The key of one object of the remote."""
    oid = md5_in_listing("planes.parquet")
    return f"bucket/dvc/files/md5/{oid[:2]}/{oid[2:]}"


def test_a_version_is_fetched_whole_and_then_served_from_the_cache(bucket):
    pulled = pull_snapshot.fn(None, Data(timeout=DEADLINE))
    assert len(pulled.files) == 15
    bucket.rm("bucket", recursive=True)
    assert pull_snapshot.fn(None, Data(timeout=DEADLINE)) == pulled


def test_a_file_of_data_that_no_version_holds_is_told_where_the_current_version_is_read(bucket, workspace, capsys):
    pulled = pull_snapshot.fn(None, Data(timeout=DEADLINE))
    same, edited = (workspace / "data" / f"{name}.parquet" for name in ("a copy", "edited"))
    same.write_bytes(pulled.files["planes.parquet"].read_bytes())
    edited.write_bytes(b"by hand")
    capsys.readouterr()
    pull_snapshot.fn(pulled.version, Data(timeout=DEADLINE))
    named = capsys.readouterr().out
    pull_snapshot.fn(None, Data(timeout=DEADLINE))
    same.unlink()
    edited.unlink()
    told = f"data/edited.parquet is in no data version; version {pulled.version} is read"
    assert (named, told in capsys.readouterr().out) == ("", True)


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
    with deaf_endpoint(monkeypatch):
        assert "did not answer within data.timeout (6 s)" in refused(deadline=timedelta(seconds=6))


def test_what_lands_in_a_bucket_is_taken_in_once_pushed_and_nothing_of_it_is_left_here_alone(bucket, workspace):
    (workspace / "data" / "mine.txt").unlink()
    bucket.pipe("bucket/landing/flights/today.parquet", some_flights(100))
    bucket.pipe("bucket/landing/flights/bad.parquet", b"<html>")
    landing = take_in_all(landing="s3://bucket/landing")
    (change,) = landing.changes
    assert (change.file, change.read, change.unchanged) == ("flights/today.parquet", 100, 100)
    assert [file.file for file in landing.bad] == ["flights/bad.parquet"]
    again = take_in_all(landing="s3://bucket/landing")
    assert (again.changes, again.bad) == ([], [])
    oid = resolve_version(None).removesuffix(".dir")
    assert bucket.exists(f"bucket/dvc/files/md5/{oid[:2]}/{oid[2:]}.dir")
    shutil.rmtree(workspace / ".dvc" / "cache")
    assert len(pull_snapshot.fn(None, Data(timeout=DEADLINE)).files) == 17
    put_back(workspace)


def test_a_new_version_is_committed_if_params_yaml_says_so(bucket, workspace, params):
    git = ["git", "-C", str(workspace), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "data.dvc"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    snapshot = adopt_version.fn(Data(timeout=DEADLINE))
    landing = Intake(snapshot, load_tables(), params).end()
    published = publish_version.fn(snapshot, landing, "landed", params)
    write_data_dvc(published.version, 0, 0)
    for _ in range(2):  # what is there already is no fault
        commit_and_push.fn(published, Ingest(landing="landing", commit=True), DEADLINE)
    log = subprocess.run([*git, "log", "-1", "--format=%s", "--name-only"], capture_output=True, text=True)
    assert log.stdout.split("\n\n") == [f"Data version {published.version}", "data.dvc\n"]


def test_a_version_that_cannot_be_pushed_is_not_published_and_lands_the_next_time(bucket, workspace):
    (workspace / "data" / "mine.txt").unlink()
    (workspace / "landing" / "flights").mkdir(parents=True)
    (workspace / "landing" / "flights" / "a.parquet").write_bytes(some_flights(7))
    set_back(workspace / "landing" / "flights" / "a.parquet")
    config = workspace / ".dvc" / "config"
    known, right = resolve_version(None), config.read_text()
    adopt_version.fn(Data(timeout=DEADLINE))
    config.write_text(right.replace("s3://bucket/dvc", "s3://nowhere/dvc"))
    with pytest.raises(InputError, match="cannot be pushed: .*; look at .dvc/config and the AWS_. variables"):
        take_in_all()
    assert resolve_version(None) == known
    config.write_text(right)
    assert [change.read for change in take_in_all().changes] == [7]
    put_back(workspace)


def test_a_fifth_of_all_answers_being_503_loses_nothing(bucket, workspace, endpoint, monkeypatch):
    (workspace / "data" / "mine.txt").unlink()
    for number in range(5):
        bucket.pipe(f"bucket/landing/flights/{number}.parquet", some_flights(100 + number))
    with flaky(endpoint, lambda number: number % 5 == 0) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        s3fs.S3FileSystem.clear_instance_cache()
        landing = take_in_all(landing="s3://bucket/landing")
    assert sum(change.read for change in landing.changes) == 510 and not landing.troubles
    put_back(workspace)


@pytest.mark.slow
def test_a_server_that_dies_in_a_push_or_a_pull_is_one_sentence_and_the_next_run_goes_on(
    bucket, workspace, endpoint, monkeypatch
):
    (workspace / "data" / "mine.txt").unlink()
    with flaky(endpoint, lambda number: False, lambda number: number > 6) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert "cannot be had whole from the DVC remote" in refused()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    known = adopt_version.fn(Data(timeout=DEADLINE)).version
    (workspace / "landing" / "flights").mkdir(parents=True)
    (workspace / "landing" / "flights" / "a.parquet").write_bytes(some_flights(7))
    with flaky(endpoint, lambda number: False, lambda number: number > 2) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(InputError, match="cannot be pushed"):
            take_in_all()
    assert resolve_version(None) == known
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert [change.read for change in take_in_all().changes] == [7]
    put_back(workspace)


def test_a_push_to_the_remote_inside_the_repository_is_refused(workspace):
    (workspace / ".dvc" / "config").write_text("[core]\n    remote = own\n['remote \"own\"']\n    url = remote\n")
    ingest = Ingest(landing="landing", commit=False, push=True)
    with pytest.raises(InputError, match="there is no DVC remote outside of the workspace"):
        commit_and_push.fn(Snapshot(resolve_version(None), {}), ingest, DEADLINE)


@pytest.mark.slow
def test_a_landing_place_that_is_not_there_or_never_answers_is_one_sentence_in_time(bucket, monkeypatch):
    assert LandingPlace("s3://bucket/nothing").list().files.is_empty()
    for source, sentence in {
        "s3://nowhere/landing": "ingest.landing names s3://nowhere/landing, but there is no such bucket",
        "http://127.0.0.1/landing": "is neither a folder nor s3://bucket/prefix",
        "lnading": "ingest.landing names lnading, but there is no such folder",
    }.items():
        with pytest.raises(InputError, match=sentence):
            LandingPlace(source).list()
    with deaf_endpoint(monkeypatch), pytest.raises(InputError, match="did not answer within data.timeout .3 s"):
        s3fs.S3FileSystem.clear_instance_cache()
        take_in_from("s3://bucket/landing", timedelta(seconds=3))
    monkeypatch.setenv("AWS_ENDPOINT_URL", dead := f"http://127.0.0.1:{free_port()}")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match=f"{dead} .AWS_ENDPOINT_URL. does not answer"):
        LandingPlace("s3://bucket/landing").list()


def test_a_wrong_key_of_the_landing_place_is_told(bucket, endpoint):
    s3fs.S3FileSystem.clear_instance_cache()
    demand_credentials_after(endpoint, b"0")
    try:
        with pytest.raises(InputError, match="refuses the key: look at AWS_ACCESS_KEY_ID"):
            LandingPlace("s3://bucket/landing").list()
    finally:
        demand_credentials_after(endpoint, b"inf")


def put_back(workspace) -> None:
    """The data folder as the fixture wants it."""
    shutil.rmtree(workspace / "data")
    (workspace / "data").mkdir()
    (workspace / "data" / "mine.txt").write_text("keep me")


def take_in_from(source: str, limit: timedelta) -> list:
    """What lies there."""
    return list(open_news(Places(LandingPlace(source), {}, limit), load_tables(), pl.DataFrame(schema=SCHEMA)))


def some_flights(rows: int) -> bytes:
    """The first flights of the sample, as a parquet file."""
    content = io.BytesIO()
    pl.read_parquet(object_path(md5_in_listing("flights/2013-01.parquet"), REMOTE)).head(rows).write_parquet(content)
    return content.getvalue()


def md5_in_listing(name: str) -> str:
    """The hash of a file of the sample."""
    listing = json.loads(object_path(parse_version((ROOT / "data.dvc").read_text()), REMOTE).read_bytes())
    return next(entry["md5"] for entry in listing if entry["relpath"] == name)


@contextmanager
def deaf_endpoint(monkeypatch) -> Generator[None]:
    """An endpoint that accepts and never answers."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(100)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        yield
