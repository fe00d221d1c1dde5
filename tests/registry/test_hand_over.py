"""The endpoints are handed what the log says, whoever moves the champion and whatever dies on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tasks.core.errors import InputError
from tasks.core.handover import ServedChampion, ServingContext, context_file
from tasks.core.store import store
from tasks.operations import serving
from tasks.operations.serving import tidy_serving
from tasks.registry import hand_over, promotion
from tasks.registry.decision_log import read_log
from tasks.registry.hand_over import hand_over_champion
from tasks.registry.promotion import promote_by_hand, roll_back

MODEL = "late-arrivals"


def handed() -> tuple[str, str | None]:
    found = ServedChampion.read(MODEL)
    return found.champion.version, found.predecessor and found.predecessor.version


def test_every_move_is_handed_over_with_the_version_that_a_rollback_returns_to(versions):
    assert ServedChampion.read(MODEL) is None
    promote_by_hand(MODEL, "1", "first", "data")
    assert handed() == ("1", None)
    promote_by_hand(MODEL, "2", "better", "data")
    assert handed() == ("2", "1")
    roll_back(MODEL, "worse", "data")
    assert handed() == ("1", None)


def test_what_a_killed_move_did_not_hand_over_the_next_tidy_does(versions, monkeypatch):
    monkeypatch.setattr(promotion, "hand_over_champion", lambda model: None)
    promote_by_hand(MODEL, "1", "first", "data")
    assert ServedChampion.read(MODEL) is None
    hand_over_champion(MODEL)
    assert handed() == ("1", None)


def test_of_two_who_hand_over_at_once_the_newer_log_wins(versions, monkeypatch):
    promote_by_hand(MODEL, "1", "first", "data")
    described = hand_over.describe_champion

    def moved_meanwhile(log):
        monkeypatch.setattr(hand_over, "describe_champion", described)
        promote_by_hand(MODEL, "2", "meanwhile", "data")
        return described(log)

    monkeypatch.setattr(hand_over, "describe_champion", moved_meanwhile)
    hand_over_champion(MODEL)
    assert handed()[0] == read_log(MODEL).champion() == "2"


def test_a_version_whose_features_this_code_does_not_make_cannot_become_champion(versions, monkeypatch):
    from tasks.features.build import Features

    made = Features.ask

    def without_temp(self, *given):
        features, past = made(self, *given)
        return features.drop("temp"), past

    monkeypatch.setattr(Features, "ask", without_temp)
    with pytest.raises(InputError, match=r"needs the feature 'temp', but project/ no longer makes it"):
        promote_by_hand(MODEL, "1", "first", "data")
    assert read_log(MODEL).champion() is None


def test_a_store_that_cannot_be_written_leaves_the_move_on_record_and_is_told(versions, monkeypatch, capsys):
    from tasks.core.errors import StoreError

    def fail(self, model):
        raise StoreError("the bucket is away")

    monkeypatch.setattr(ServedChampion, "write", fail)
    promote_by_hand(MODEL, "1", "first", "data")
    assert read_log(MODEL).champion() == "1" and "hear of it from the next tidy" in capsys.readouterr().out


def test_tidy_hands_over_what_is_missing_and_removes_contexts_that_nobody_names(versions, snapshot, monkeypatch):
    promote_by_hand(MODEL, "1", "first", "data")
    store().put("serving/context/old.parquet", b"")
    tidy_serving()
    context = ServingContext.read(MODEL)
    assert context.data_version == snapshot.version
    assert store().has("serving/context/old.parquet")  # somebody may be about to name it
    monkeypatch.setattr(serving, "UNNAMED", timedelta(0))
    tidy_serving()
    left = {name for name in store().list("serving/context")}
    assert left == {context_file(table.digest) for table in context.tables.values()}


def test_an_older_version_of_the_data_is_never_handed_over_as_the_newest(versions, snapshot, params):
    promote_by_hand(MODEL, "1", "first", "data")
    serving.hand_over_contexts(params.data, replace(snapshot, version="older"))
    assert ServingContext.read(MODEL).data_version == snapshot.version
