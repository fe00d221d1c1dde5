"""Only the files that were registered are loaded, and a model file is data: nothing else is accepted as one."""

import json
import pickle

import numpy as np
import onnx
import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.core.store import sha256
from tasks.core.use_case import META
from tasks.inference.bundle import load_bundle, write_bundle
from tasks.inference.scorer import Scorer
from tasks.training.fit import fit_model, to_bytes

EXTRA = {"drift.json": b"{}", "reference.parquet": b"rows"}


@pytest.fixture(scope="module")
def models(year, use_case, params):
    """Two valid models and a few feature rows."""
    fit = year.head(2_000)
    features = fit.drop(META)
    pipelines = [fit_model.fn(use_case, fit, {"family": "linear", "C": C}, params.seed) for C in (1.0, 0.01)]
    return [to_bytes(pipeline, features.schema) for pipeline in pipelines], features.head(5)


@pytest.fixture
def bundle(models, own_workspace):
    """A written bundle: its name, and the digests of its files."""
    return write_bundle(Scorer(models[0][0]), {"rows": 2000}, np.arange(3, dtype=np.uint64), models[1], EXTRA)


@pytest.fixture
def folder(bundle, store):
    """Where its files lie."""
    return store / "bundles" / bundle[0]


def with_external_data(folder) -> bytes:
    """A model that keeps its weights in a file beside it."""
    rows, scores = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, width])
        for name, width in (("distance", 1), ("probabilities", 2))
    )
    weights = onnx.numpy_helper.from_array(np.ones((1, 2), np.float32), "weights")
    product = onnx.helper.make_node("MatMul", ["distance", "weights"], ["probabilities"])
    model = onnx.helper.make_model(onnx.helper.make_graph([product], "external", [rows], [scores], [weights]))
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    return (folder / "model.onnx").read_bytes()


def other_bytes(models, tmp_path):
    """What somebody may put in the place of the model file, by name."""
    whole = models[0][0]
    return {
        "a flipped byte": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
        "a truncation": whole[: len(whole) // 2],
        "nothing": b"",
        "another valid model": models[0][1],
        "a pickle": pickle.dumps({"model": 1}),
        "external data": with_external_data(tmp_path),
    }


LIES = ["a flipped byte", "a truncation", "nothing", "another valid model", "a pickle", "external data"]


def test_a_whole_bundle_is_loaded(bundle):
    assert load_bundle(*bundle).card == {"rows": 2000}


@pytest.mark.parametrize("lie", LIES)
def test_another_file_under_the_name_of_the_model_is_refused_by_name(bundle, folder, models, tmp_path, lie):
    name, digests = bundle
    (folder / "model.onnx").write_bytes(other_bytes(models, tmp_path)[lie])
    with pytest.raises(InputError, match=r"model\.onnx is not the file that was registered"):
        load_bundle(name, digests)


@pytest.mark.parametrize("lie", ["a truncation", "nothing", "another valid model", "a pickle", "external data"])
def test_it_is_refused_even_if_the_registry_was_changed_with_it(bundle, folder, models, tmp_path, monkeypatch, lie):
    name, digests = bundle
    monkeypatch.chdir(tmp_path)
    (folder / "model.onnx").write_bytes(other_bytes(models, tmp_path)[lie])
    with pytest.raises(InputError, match="no ONNX file that stands alone|scores its probe rows differently"):
        load_bundle(name, digests | {"model.onnx": sha256((folder / "model.onnx").read_bytes())})


@pytest.mark.parametrize("file", ["card.json", "seen.parquet", "probe.parquet", "drift.json", "reference.parquet"])
def test_every_other_file_is_checked_too(bundle, folder, file):
    name, digests = bundle
    (folder / file).write_bytes((folder / file).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"{file} is not the file that was registered"):
        load_bundle(name, digests)
    (folder / file).unlink()
    with pytest.raises(InputError, match=f"{file} is missing"):
        load_bundle(name, digests)


def test_an_edited_card_is_refused(bundle, folder):
    name, digests = bundle
    (folder / "card.json").write_text(json.dumps({"rows": 9}))
    with pytest.raises(InputError, match=r"card\.json is not the file that was registered"):
        load_bundle(name, digests)


def test_a_bundle_without_a_model_in_the_record_is_refused(bundle):
    name, digests = bundle
    with pytest.raises(InputError, match=r"the record of .* names no model\.onnx"):
        load_bundle(name, {name: digest for name, digest in digests.items() if name != "model.onnx"})


def test_the_probe_keeps_the_scores_of_the_registered_model(folder, models):
    probe = pl.read_parquet(folder / "probe.parquet")
    assert probe.drop("score").equals(models[1]) and probe["score"].is_between(0, 1).all()
