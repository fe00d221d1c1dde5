"""The champion pointer: on the record, under the lock, never back and forth, never by a replay."""

import time
from datetime import UTC, datetime

import polars as pl
import pytest
from stores import use_store

from tasks.core.errors import InputError
from tasks.registry import decision_log as logbook
from tasks.registry.promotion import promote_by_hand, promote_version, roll_back, settle
from tasks.registry.versions import current_alias, find_champion, find_moves

MODEL = "late-arrivals"
APRIL, JUNE, AUGUST = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 6, 8))


def test_every_move_is_on_record_and_the_champion_of_a_moment_is_found_by_it(versions):
    assert find_champion(MODEL, AUGUST) is None
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    promote_version.fn(MODEL, "2", "1", JUNE, "better")
    assert current_alias(MODEL) == "2"
    assert [(m.origin, m.target, m.reason) for m in find_moves(MODEL)] == [(None, "1", "first"), ("1", "2", "better")]
    assert [find_champion(MODEL, at) for at in (datetime(2013, 3, 1, tzinfo=UTC), APRIL, AUGUST)] == [None, "1", "2"]


def test_a_replay_and_a_verdict_on_another_champion_move_nothing_and_say_why(versions, capsys):
    promote_version.fn(MODEL, "2", None, JUNE, "first")
    promote_version.fn(MODEL, "1", "2", APRIL, "old")
    assert "a replay moves nothing" in capsys.readouterr().out
    promote_version.fn(MODEL, "3", "1", AUGUST, "stale")
    assert "is version 2 now, not 1" in capsys.readouterr().out
    assert current_alias(MODEL) == "2" and len(find_moves(MODEL)) == 1


def test_a_version_that_was_rolled_back_is_not_promoted_again_by_its_old_verdict(versions, capsys):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    promote_version.fn(MODEL, "2", "1", JUNE, "better")
    roll_back(MODEL, "worse", "data")
    promote_version.fn(MODEL, "2", "1", AUGUST, "better")
    assert "version 2 of late-arrivals has been champion already" in capsys.readouterr().out
    assert current_alias(MODEL) == "1"


def test_rollback_returns_to_the_newest_earlier_champion_and_does_not_ping_pong(versions):
    for version, as_of in zip(versions, (APRIL, JUNE, AUGUST), strict=True):
        promote_version.fn(MODEL, version, current_alias(MODEL), as_of, "better")
    assert roll_back(MODEL, "worse", "data") == ("3", "2")
    assert roll_back(MODEL, "worse still", "data") == ("2", "1")
    with pytest.raises(InputError, match="no earlier champion to roll back to"):
        roll_back(MODEL, "and again", "data")
    promote_by_hand(MODEL, "3", "it was the labels", "data")
    assert roll_back(MODEL, "it was not", "data") == ("3", "1")


def test_rollback_acts_only_on_the_champion_it_was_asked_to_replace(versions):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    promote_version.fn(MODEL, "2", "1", JUNE, "better")
    with pytest.raises(InputError, match="version 1 of late-arrivals is not the champion any more"):
        roll_back(MODEL, "late event", "data", champion="1")
    assert current_alias(MODEL) == "2"


def test_a_version_with_a_changed_file_or_an_unknown_one_does_not_become_champion(versions, store):
    for file in store.glob("bundles/*/model.onnx"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="not the file that was registered"):
        promote_by_hand(MODEL, "1", "try", "data")
    for version in ("9", "01", " 1", "one"):
        with pytest.raises(InputError, match=f"has no version '{version}'"):
            promote_by_hand(MODEL, version, "try", "data")
    with pytest.raises(InputError, match="a reason is needed"):
        promote_by_hand(MODEL, "1", " ", "data")
    assert current_alias(MODEL) is None and find_moves(MODEL) == []


def test_a_process_that_died_in_a_move_leaves_whole_records(versions):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    facts = {"origin": "1", "target": "2", "reason": "died before the pointer moved", "by": "x"}
    logbook.open_record(MODEL, "promotion", JUNE, facts, **facts)
    assert [move.target for move in find_moves(MODEL)] == ["1"]
    settle(MODEL)
    facts["reason"] = "died after it"
    logbook.open_record(MODEL, "promotion", JUNE, facts, **facts)
    logbook.client().set_registered_model_alias(MODEL, "champion", "2")
    assert [move.target for move in find_moves(MODEL)] == ["1", "2"]
    promote_version.fn(MODEL, "3", "2", AUGUST, "next")
    assert [move.target for move in find_moves(MODEL)] == ["1", "2", "3"]


def test_an_alias_moved_by_hand_is_noticed(versions):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    logbook.client().set_registered_model_alias(MODEL, "champion", "3")
    with pytest.raises(InputError, match="points at version 3, but by the record it is 1"):
        find_moves(MODEL)


def test_a_clock_that_was_fast_and_is_put_right_leaves_the_order_of_moves(versions, monkeypatch):
    real = time.time_ns
    monkeypatch.setattr("tasks.registry.decision_log.time.time_ns", lambda: real() + 3600 * 10**9)
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    monkeypatch.undo()
    promote_version.fn(MODEL, "2", "1", JUNE, "better")
    assert [move.target for move in find_moves(MODEL)] == ["1", "2"]


def test_who_reads_while_another_process_moves_the_champion_reads_again(versions, monkeypatch):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    readings = iter(["2", "1"])
    monkeypatch.setattr("tasks.registry.versions.current_alias", lambda model: next(readings))
    assert [move.target for move in find_moves(MODEL)] == ["1"]


def test_evidence_is_found_in_a_folder_that_was_moved(versions, store):
    promote_version.fn(MODEL, "1", None, APRIL, "first")
    moved = store.rename(store.with_name("moved"))
    use_store(moved)
    record = logbook.find_records(MODEL, "promotion")[0]
    assert logbook.read_evidence(MODEL, record.info.run_id)["reason"] == "first"
    promote_by_hand(MODEL, "2", "after the move", "data")
    assert find_moves(MODEL)[-1].reason == "after the move"
    assert pl.read_parquet(next(moved.glob("bundles/*/seen.parquet"))).height == 3
