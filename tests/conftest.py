"""Every test run has a workspace of its own: the sample's data version, an empty store, none of the user's servers."""

import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tasks
from stack.local_stack import clean_environment, free_port, make_workspace, port_is_free, prefect_server

WORKSPACE = make_workspace(Path(tempfile.mkdtemp(prefix="lifecycle-")) / "workspace")
ENVIRONMENT = clean_environment(WORKSPACE)
atexit.register(shutil.rmtree, WORKSPACE.parent, ignore_errors=True)
os.environ.clear()
os.environ.update(ENVIRONMENT)  # before any module of ours reads it
importlib.reload(tasks)  # its defaults


@pytest.fixture(scope="session")
def params():
    from tasks.core.params import Params

    loaded = Params.load()
    return loaded.model_copy(update={"tuning": loaded.tuning.model_copy(update={"n_trials": 1})})


@pytest.fixture(scope="session")
def snapshot(params):
    from tasks.data.snapshot import pull_snapshot

    return pull_snapshot.fn(None, params.data)


@pytest.fixture(scope="session")
def use_case():
    from tasks.core.use_case import load_use_case

    return load_use_case("late-arrivals")


def read_valid(snapshot, use_case, end):
    """All valid rows of the sample before `end`."""
    from tasks.data.reader import know, read_table
    from tasks.data.validation import separate_rows

    start = datetime(2013, 1, 1, tzinfo=UTC)
    found = {name: read_table(snapshot, use_case, name, start, end) for name in use_case.tables}
    tables = {name: know(use_case, name, rows, end) for name, rows in found.items()}
    return {name: separate_rows(use_case.tables, name, rows)[0] for name, rows in tables.items()}


@pytest.fixture(scope="session")
def tables(snapshot, use_case):
    """All valid rows of the sample's first two months."""
    return read_valid(snapshot, use_case, datetime(2013, 3, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def year_tables(snapshot, use_case):
    """All valid rows of the sample."""
    return read_valid(snapshot, use_case, datetime(2014, 1, 2, tzinfo=UTC))


@pytest.fixture(scope="session")
def year(snapshot, use_case, params):
    """The feature frame of the whole sample, labelled rows only."""
    from tasks.data.feature_frame import build_feature_frame
    from tasks.training.split import labelled_rows

    end = datetime(2014, 1, 2, tzinfo=UTC)
    return labelled_rows(build_feature_frame.fn(snapshot, use_case, end, None, params.validation)[0])


@pytest.fixture(scope="session")
def server():
    """The address of a real Prefect server on loopback, which the flows of this process use too."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with prefect_server(ENVIRONMENT) as address, temporary_settings({PREFECT_API_URL: address}):
        yield address


@pytest.fixture
def own_workspace(tmp_path):
    """The root of a workspace of the test's own: the sample's data version, and nothing that the loop makes."""
    from stores import new_workspace, use_workspace

    yield use_workspace(new_workspace(tmp_path / "work späce"))
    use_workspace(WORKSPACE)


@pytest.fixture
def store(own_workspace):
    """The store of a workspace of the test's own."""
    return own_workspace / "store"


@pytest.fixture(scope="session")
def tiny_model(year, use_case, params):
    """A fitted linear model as ONNX bytes, and rows that it scores."""
    from tasks.core.use_case import META
    from tasks.training.fit import fit_model, to_bytes

    fit = year.head(2_000)
    features = fit.drop(META)
    model = fit_model.fn(use_case, fit, {"family": "linear", "C": 1.0}, params.seed)
    return to_bytes(model, features.schema), features.head(5)


@pytest.fixture
def make_versions(tiny_model):
    """Call it to register three versions as of April, June and August; none of them is champion."""
    from stores import make_three_versions

    return lambda: make_three_versions(tiny_model)


@pytest.fixture
def versions(store, make_versions):
    """Three registered versions; none of them is champion."""
    return make_versions()


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL server on loopback."""
    from databases import running_postgres

    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, running_postgres(Path(folder)) as found:
        yield found


@pytest.fixture
def database(postgres, monkeypatch):
    """A database of the test's own, which DATABASE_URL names."""
    made = postgres.new_database()
    monkeypatch.setenv("DATABASE_URL", made.uri)
    return made


@pytest.fixture
def api():
    """A real HTTP server that gives rows page by page."""
    from apis import running_api

    with running_api() as found:
        yield found


@pytest.fixture(scope="session")
def broker():
    """A real broker of Kafka's protocol."""
    from brokers import running_broker

    with running_broker() as found:
        yield found


@pytest.fixture(scope="session")
def endpoint():
    """The address of a real S3 server on loopback, a process of its own: a query may hold this one's interpreter."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while port_is_free(port):
        assert server.poll() is None, "moto does not start"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def s3_store(endpoint, monkeypatch):
    """An empty bucket `shared`, in which every workspace of the test has its store."""
    import s3fs

    settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in (settings | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PARAMS_STORE", "s3://shared/prefix")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = s3fs.S3FileSystem(endpoint_url=endpoint, key="key", secret="secret")
    if bucket.exists("shared"):
        bucket.rm("shared", recursive=True)
    bucket.mkdir("shared")
    return bucket


@pytest.fixture
def two_workspaces(tmp_path):
    """The roots of two workspaces, as on two machines."""
    from stores import new_workspace, use_workspace

    yield [new_workspace(tmp_path / name) for name in ("here", "thäre")]
    use_workspace(WORKSPACE)
