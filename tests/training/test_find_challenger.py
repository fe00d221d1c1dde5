"""A challenger of the same rows, code and settings stands, as long as the champion it was judged against does."""

from datetime import UTC, datetime

import numpy as np

from tasks.inference.bundle import write_bundle
from tasks.inference.scorer import Scorer
from tasks.registry.decision_log import read_log, record
from tasks.registry.entries import Judged
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.training.challenger import find_challenger

MODEL = "late-arrivals"
JUNE, LATER = datetime(2013, 6, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
VERDICT = {"decision": "reject", "reason": "", "checks": [], "metrics": {}}


def register(tiny_model, key: str) -> None:
    """Version 4, judged against version 2."""
    model, probe = tiny_model
    bundle, digests = write_bundle(Scorer(model), {"verdict": VERDICT}, np.arange(3, dtype=np.uint64), probe, {})
    facts = {"decision": "reject", "why": "", "judged_against": "2", "key": key, "cause": "hand", "data_version": ""}
    record(MODEL, Judged(version="4", as_of=JUNE, sha256="", bundle=bundle, digests=digests, **facts))


def find(key: str):
    return find_challenger(read_log(MODEL), key, LATER)


def test_a_verdict_stands_while_the_champion_it_was_judged_against_does(versions, tiny_model):
    register(tiny_model, "same")
    promote_by_hand(MODEL, "1", "first", "data")
    assert find("same") is None
    promote_by_hand(MODEL, "2", "better", "data")
    assert find("same").version == "4" and find("other") is None
    roll_back(MODEL, "worse", "data")
    assert find("same") is None


def test_a_challenger_whose_files_are_damaged_is_trained_again(versions, tiny_model, store, capsys):
    register(tiny_model, "same")
    promote_by_hand(MODEL, "2", "first", "data")
    (store / "bundles" / read_log(MODEL).versions["4"].bundle / "card.json").write_text("{}")
    assert find("same") is None
    assert "version 4 was trained of the same, but cannot be used" in capsys.readouterr().out
