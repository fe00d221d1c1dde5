"""Every test run has a workspace of its own: the sample's data version, an empty store, none of the user's servers."""

import atexit
import importlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tasks
from stack.local_stack import clean_environment, make_workspace, prefect_server

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


def read_valid(snapshot, end):
    """All valid rows of the sample before `end`."""
    from project.contract import TABLES
    from tasks.data.reader import read_table
    from tasks.data.validation import separate_rows

    start = datetime(2013, 1, 1, tzinfo=UTC)
    return {name: separate_rows(name, read_table(snapshot, name, start, end, end))[0] for name in TABLES}


@pytest.fixture(scope="session")
def tables(snapshot):
    """All valid rows of the sample's first two months."""
    return read_valid(snapshot, datetime(2013, 3, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def year_tables(snapshot):
    """All valid rows of the sample."""
    return read_valid(snapshot, datetime(2014, 1, 2, tzinfo=UTC))


@pytest.fixture(scope="session")
def year(snapshot, params):
    """The feature frame of the whole sample, labelled rows only."""
    from tasks.data.feature_frame import build_feature_frame
    from tasks.training.split import labelled_rows

    return labelled_rows(build_feature_frame.fn(snapshot, datetime(2014, 1, 2, tzinfo=UTC), None, params.validation)[0])


@pytest.fixture(scope="session")
def server():
    """The address of a real Prefect server on loopback, which the flows of this process use too."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with prefect_server(ENVIRONMENT) as address, temporary_settings({PREFECT_API_URL: address}):
        yield address


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The logbook's database as its first use makes it."""
    from tasks.registry import decision_log as logbook

    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "STORE", folder)
        logbook.client.cache_clear()
        logbook.client()
    logbook.client.cache_clear()
    return folder / "mlflow.db"


@pytest.fixture
def store(tmp_path, empty_database):
    """An empty store."""
    from stores import use_store

    from tasks.core.params import STORE

    shutil.copy(empty_database, tmp_path)
    use_store(tmp_path)
    yield tmp_path
    use_store(STORE)


@pytest.fixture(scope="session")
def tiny_model(year, params):
    """A fitted linear model as ONNX bytes, and rows that it scores."""
    from tasks.core.digests import META
    from tasks.training.conversion import to_bytes
    from tasks.training.fit import fit_model

    fit = year.head(2_000)
    features = fit.drop(META)
    model = fit_model.fn(fit, {"family": "linear", "C": 1.0}, params.seed)
    return to_bytes(model, features.schema), features.head(5)


@pytest.fixture
def versions(store, tiny_model):
    """Three registered versions as of April, June and August; none of them is champion."""
    import numpy as np

    from tasks.registry import decision_log as logbook
    from tasks.registry.bundle import write_bundle
    from tasks.registry.versions import register_version

    model, probe = tiny_model
    numbers = []
    for month in (4, 6, 8):
        run_id = logbook.open_record("late-arrivals", "training", datetime(2013, month, 1, tzinfo=UTC), {})
        digests = write_bundle(store / "bundles" / run_id, model, {}, np.arange(3, dtype=np.uint64), probe, {}, probe)
        numbers.append(register_version("late-arrivals", run_id, digests))
        logbook.add_tags(run_id, version=numbers[-1], verdict="promote", by="Ada")
        logbook.close_record(run_id)
    return numbers
