"""Who acts on news of a degraded champion reads the record: the check says so, and nobody has acted on it."""

from datetime import UTC, datetime

import pytest

from tasks.core.errors import InputError
from tasks.evaluation.verdict import Interval
from tasks.monitoring.check_records import read_check, record_check, says_more
from tasks.monitoring.window import Quality, WindowCheck
from tasks.registry.decision_log import read_log, resource_of
from tasks.registry.entries import Refused
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.registry.refusals import require_degraded, was_answered

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)


def degraded(window: str) -> WindowCheck:
    quality = Quality(rows=9, metrics={}, predecessor="1", gain=Interval(-0.2, -0.3, -0.1))
    facts = {"rows": 9, "findings": [], "drifted": [], "alarm": False, "missing": [], "quality": quality}
    return WindowCheck(window=window, version="2", **facts)


@pytest.fixture
def champion(versions):
    """Version 2 is champion after version 1."""
    promote_by_hand(MODEL, "1", "first", "data")
    promote_by_hand(MODEL, "2", "better", "data")


def keep(window: str, check: WindowCheck | None = None) -> str:
    """Record a check; returns the id by which an event names it."""
    return resource_of(MODEL, record_check.fn(MODEL, JUNE, check or degraded(window)))


def require(event: str) -> str:
    return require_degraded(read_log(MODEL), event, "data").version


def test_an_event_acts_only_by_a_check_on_record_that_found_the_champion_degraded(champion):
    assert require(keep("2013-06-01")) == "2"
    fine = keep("2013-06-01", degraded("2013-06-01").model_copy(update={"quality": None}))
    number = len(read_log(MODEL).entries)
    forged = [fine, "", "model", f"model.{MODEL}.1", f"model.{MODEL}.{number + 9}", f"model.other.{number}"]
    forged += [f"model.{MODEL}.-1", f"model.{MODEL}.0", f"model.{MODEL}.2013-06-01", f"model.{MODEL}.²", "{{ x }}"]
    for event in forged * 2:
        with pytest.raises(InputError, match="names no check on record that found a version degraded"):
            require(event)
    assert [entry.event for entry in read_log(MODEL).of(Refused)] == forged


def test_a_window_is_judged_again_when_enough_labels_have_come_in(champion):
    few, more = (degraded("2013-06-01").model_copy(deep=True) for _ in range(2))
    more.quality.rows = few.quality.rows + 2000
    unlabelled = few.model_copy(update={"quality": None})
    assert says_more(few, unlabelled, 2000) and not says_more(unlabelled, unlabelled, 2000)
    assert says_more(more, few, 2000) and not says_more(more, few, 2001)
    assert not says_more(unlabelled, few, 2000)


def test_a_persons_word_after_a_rollback_stands_until_a_later_window_says_otherwise(champion):
    event = keep("2013-06-01")
    assert require(event) == "2"
    roll_back(MODEL, "degraded", "data", champion="2")
    promote_by_hand(MODEL, "2", "the labels were wrong", "data")
    assert read_log(MODEL).moves[-2].as_of == datetime(2013, 8, 1, tzinfo=UTC)
    windows = ("2013-06-01", "2013-08-01", "2013-08-02", "2013-09-01")
    found = [record_check.fn(MODEL, JUNE, degraded(window)) for window in windows]
    assert [was_answered(read_log(MODEL), entry) for entry in found] == [True, True, False, False]
    with pytest.raises(InputError, match="version 2 was rolled back for window 2013-06-01 already"):
        require(event)


def test_a_check_whose_findings_are_damaged_is_still_a_check(champion, store, capsys):
    entry = record_check.fn(MODEL, JUNE, degraded("2013-06-01"))
    (file,) = store.glob("findings/*.json")
    file.write_bytes(b"")
    assert read_check(entry, with_findings=True).quality.rows == 9
    assert f"{file} is not the file that was registered" in capsys.readouterr().out
