"""The champion: each move on record, never back and forth, never by a replay."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.evaluation.verdict import Check, Verdict
from tasks.registry import promotion
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand, promote_challenger, roll_back
from tasks.registry.versions import Challenger, load_version, require_champion

MODEL = "late-arrivals"
APRIL, JUNE, AUGUST = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 6, 8))


def promote(version: str, champion: str | None, as_of: datetime, reason: str) -> None:
    """What a training does whose challenger passed the gate."""
    check = Check(name=reason, passed=True, measured="1", required="1")
    verdict = Verdict(decision="promote", checks=[check], metrics={})
    promote_challenger.fn(MODEL, Challenger(version, verdict, champion), as_of)


def back(reason: str, champion: str | None = None) -> tuple[str, str]:
    move = roll_back(MODEL, reason, "data", champion)
    return move.replaces, move.version


def champion() -> str | None:
    return read_log(MODEL).champion()


def targets() -> list[str]:
    return [move.version for move in read_log(MODEL).moves]


def test_every_move_is_on_record_and_the_champion_of_a_moment_is_found_by_it(versions):
    assert read_log(MODEL).champion(AUGUST) is None
    promote("1", None, APRIL, "first")
    promote("2", "1", JUNE, "better")
    assert champion() == "2"
    assert [(m.replaces, m.version, m.reason) for m in read_log(MODEL).moves] == [
        (None, "1", "all 1 checks hold"),
        ("1", "2", "all 1 checks hold"),
    ]
    assert [read_log(MODEL).champion(at) for at in (datetime(2013, 3, 1, tzinfo=UTC), APRIL, AUGUST)] == [
        None,
        "1",
        "2",
    ]


def test_a_replay_and_a_verdict_on_another_champion_move_nothing_and_say_why(versions, capsys):
    promote("2", None, JUNE, "first")
    promote("1", "2", APRIL, "old")
    assert "a replay moves nothing" in capsys.readouterr().out
    promote("3", "1", AUGUST, "stale")
    assert "is version 2 now, not 1" in capsys.readouterr().out
    assert champion() == "2" and len(read_log(MODEL).moves) == 1


def test_a_version_that_was_rolled_back_is_not_promoted_again_by_its_old_verdict(versions, capsys):
    promote("1", None, APRIL, "first")
    promote("2", "1", JUNE, "better")
    back("worse")
    promote("2", "1", AUGUST, "better")
    assert "version 2 of late-arrivals has been champion already" in capsys.readouterr().out
    assert champion() == "1"


def test_rollback_returns_to_the_newest_earlier_champion_and_does_not_ping_pong(versions):
    for version, as_of in zip(versions, (APRIL, JUNE, AUGUST), strict=True):
        promote(version, champion(), as_of, "better")
    assert back("worse") == ("3", "2")
    assert back("worse still") == ("2", "1")
    with pytest.raises(InputError, match="no earlier champion to roll back to"):
        back("and again")
    promote_by_hand(MODEL, "3", "it was the labels", "data")
    assert back("it was not") == ("3", "1")


def test_two_people_who_roll_back_at_once_do_so_once(versions, monkeypatch):
    for version, as_of in zip(versions, (APRIL, JUNE, AUGUST), strict=True):
        promote(version, champion(), as_of, "better")
    first = iter([lambda: back("the other was faster")])

    def read(model, read=promotion.read_log):
        log = read(model)
        for faster in first:
            faster()
        return log

    monkeypatch.setattr(promotion, "read_log", read)
    with pytest.raises(InputError, match="version 3 of late-arrivals is not the champion any more, version 2 is"):
        back("so was I")
    assert champion() == "2"


def test_by_the_clock_on_the_wall_a_move_of_a_machine_whose_clock_is_ahead_bars_nobody(versions):
    ahead = datetime.now(UTC) + timedelta(hours=1)
    promote("1", None, ahead, "first")
    promote_by_hand(MODEL, "2", "the clocks differ", "wall")
    assert [move.as_of for move in read_log(MODEL).moves] == [ahead, ahead]


def test_rollback_acts_only_on_the_champion_it_was_asked_to_replace(versions):
    promote("1", None, APRIL, "first")
    promote("2", "1", JUNE, "better")
    with pytest.raises(InputError, match="version 1 of late-arrivals is not the champion any more"):
        back("late event", champion="1")
    assert champion() == "2"


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
    assert champion() is None and read_log(MODEL).moves == []


def test_a_move_as_of_the_newest_is_no_replay_and_one_a_second_before_it_is(versions, capsys):
    promote("1", None, JUNE, "first")
    promote("2", "1", JUNE - timedelta(seconds=1), "old")
    assert "a replay moves nothing" in capsys.readouterr().out
    promote("2", "1", JUNE, "the same day")
    assert targets() == ["1", "2"]


def test_the_champion_of_a_moment_is_that_of_a_move_at_that_very_moment(versions):
    promote("1", None, APRIL, "first")
    promote("2", "1", JUNE, "better")
    log = read_log(MODEL)
    assert (log.champion(JUNE - timedelta(seconds=1)), log.champion(JUNE)) == ("1", "2")
    assert (log.predecessor(JUNE - timedelta(seconds=1)), log.predecessor(JUNE)) == (None, "1")


def test_versions_and_moves_are_found_in_a_workspace_that_was_moved(versions, own_workspace):
    promote("1", None, APRIL, "first")
    use_workspace(own_workspace.rename(own_workspace.with_name("moved")))
    promote_by_hand(MODEL, "2", "after the move", "data")
    assert read_log(MODEL).moves[-1].reason == "after the move"
    assert len(load_version(read_log(MODEL), "1").seen) == 3


def test_a_champion_that_was_lost_names_the_version_before_and_a_rollback_gets_there(versions, store):
    promote_by_hand(MODEL, "1", "first", "data")
    promote_by_hand(MODEL, "2", "better", "data")
    shutil.rmtree(store / "bundles" / read_log(MODEL).versions["2"].bundle)
    with pytest.raises(InputError, match="is missing: restore it .*; or return to version 1: ml rollback"):
        require_champion.fn(read_log(MODEL), AUGUST)
    assert back("its files are gone") == ("2", "1")
    assert require_champion.fn(read_log(MODEL), AUGUST).version == "1"
