"""What must hold of every model of project/, whoever's data they are: it is run on the current data version."""

import os

import pytest
from polars.testing import assert_frame_equal
from prefect.flows import load_flow_from_entrypoint
from test_repository import read_yaml

from stack.local_stack import ROOT, make_workspace
from tasks.core.params import Params
from tasks.core.use_case import list_models, load_use_case
from tasks.core.workspace import workspace
from tasks.data.clock import resolve_as_of
from tasks.data.context import read_month
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import months
from tasks.data.snapshot import pull_snapshot
from tasks.features.index import Index

ROWS = 20  # that are computed alone


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A workspace that finds the objects of the repository's DVC cache, and writes nothing else there."""
    before = os.environ["WORKSPACE"]
    folder = make_workspace(tmp_path_factory.mktemp("project") / "workspace")
    if (ROOT / ".dvc" / "cache").is_dir():
        (folder / ".dvc" / "cache").symlink_to(ROOT / ".dvc" / "cache")
    os.environ["WORKSPACE"] = str(folder)
    workspace.cache_clear()
    yield
    os.environ["WORKSPACE"] = before
    workspace.cache_clear()


@pytest.fixture(scope="module", params=list_models())
def model(request, own_cache):
    """Settings, use case, data and clock of one model after the other."""
    params, use_case = Params.load(request.param), load_use_case(request.param)
    version = pull_snapshot.fn(None, params.data)
    return params, use_case, version, resolve_as_of(None, version, use_case, "data")


@pytest.fixture(scope="module")
def newest(model):
    """The newest month with rows to predict, and what their features are made of."""
    params, use_case, version, as_of = model
    spans = [span for span in months(version, use_case) if span[0] < as_of + use_case.reach.lead]
    contexts = (read_month(version, use_case, span, as_of, params.validation) for span in reversed(spans))
    return next(context for context in contexts if context.rows.height)


def test_the_contract_accepts_the_data_and_some_rows_have_an_outcome(model):
    params, use_case, version, as_of = model
    frame, counts = build_feature_frame.fn(version, use_case, as_of, None, params.validation)
    assert frame["target"].count() and {count.table for count in counts} == set(use_case.tables)


def test_a_row_has_the_same_features_alone_and_from_tables_that_end_at_its_prediction_time(model, newest):
    _, use_case, _, _ = model
    rows = newest.rows.sample(min(ROWS, newest.rows.height), seed=1)
    together = use_case.build_features(rows, newest.index)
    for number, row in enumerate(rows.iter_slices(1)):
        asked = row.select(use_case.prediction_time).item()
        past = {name: newest.index.known_before(name, asked) for name in newest.index.frames}
        assert_frame_equal(use_case.build_features(row, Index(use_case.tables, past)), together[number : number + 1])


def test_every_deployment_loads_and_names_a_model_that_project_holds():
    for deployment in read_yaml("prefect"):
        module, name = deployment["entrypoint"].split(":")
        flow = load_flow_from_entrypoint(f"{ROOT / module.replace('.', '/')}.py:{name}")
        given = deployment.get("parameters", {})
        flow.validate_parameters(given)
        assert given.get("model") in (None, *list_models())
