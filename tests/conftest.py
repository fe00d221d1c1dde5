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
    return {name: separate_rows(use_case, name, rows)[0] for name, rows in tables.items()}


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


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """The tracking database as its first use makes it."""
    from stores import new_workspace, use_workspace

    from tasks.core.workspace import workspace
    from tasks.registry import decision_log

    use_workspace(new_workspace(tmp_path_factory.mktemp("empty") / "workspace"))
    decision_log.client()
    database = workspace().tracking_database
    use_workspace(WORKSPACE)
    return database


@pytest.fixture
def own_workspace(tmp_path, empty_database):
    """The root of a workspace of the test's own: the sample's data version, and nothing that the loop makes."""
    from stores import new_workspace, use_workspace

    folder = use_workspace(new_workspace(tmp_path / "work späce"))
    shutil.copy(empty_database, folder / "state")
    yield folder
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
def versions(store, tiny_model):
    """Three registered versions as of April, June and August; none of them is champion."""
    import numpy as np

    from tasks.inference.scorer import Scorer
    from tasks.registry import decision_log
    from tasks.registry.bundle import write_bundle
    from tasks.registry.versions import register_version

    model, probe = tiny_model
    numbers = []
    for month in (4, 6, 8):
        record_id = decision_log.open_record("late-arrivals", "training", datetime(2013, month, 1, tzinfo=UTC), {})
        seen = np.arange(3, dtype=np.uint64)
        digests = write_bundle(store / "bundles" / record_id, Scorer(model), {}, seen, probe, {})
        numbers.append(register_version("late-arrivals", record_id, digests))
        decision_log.add_tags(record_id, version=numbers[-1], verdict="promote", by="Ada")
        decision_log.close_record(record_id)
    return numbers
