"""Who acts on news of a degraded champion reads the record: the check says so, and nobody has acted on it."""

from datetime import UTC, datetime

import pytest

from tasks.core.errors import InputError
from tasks.evaluation.intervals import Interval
from tasks.monitoring.check_records import record_check, require_degraded, says_more, was_answered
from tasks.monitoring.window_check import Quality, WindowCheck
from tasks.registry.promotion import move_pointer, promote_by_hand, roll_back
from tasks.registry.versions import read_log

MODEL, APRIL, JUNE = "late-arrivals", datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC)


def degraded(window: str) -> WindowCheck:
    quality = Quality(rows=9, metrics={}, predecessor="1", gain=Interval(-0.2, -0.3, -0.1))
    facts = {"rows": 9, "findings": [], "drifted": [], "alarm": False, "missing": [], "quality": quality}
    return WindowCheck(window=window, version="2", **facts)


@pytest.fixture
def champion(versions):
    """Version 2 is champion after version 1."""
    move_pointer("promotion", MODEL, "1", None, APRIL, "first")
    move_pointer("promotion", MODEL, "2", "1", JUNE, "better")


def test_an_event_without_a_check_that_says_so_rolls_nothing_back(champion):
    with pytest.raises(InputError, match="no check on record says that version 2 degraded in window 2013-06-01"):
        require_degraded(read_log(MODEL), "2013-06-01", "2")
    record_check.fn(MODEL, JUNE, degraded("2013-06-01"))
    require_degraded(read_log(MODEL), "2013-06-01", "2")
    for window, version in (("2013-07-01", "2"), ("2013-06-01", "1"), ("2013-06-01", None)):
        with pytest.raises(InputError, match="no check on record"):
            require_degraded(read_log(MODEL), window, version)


def test_a_window_is_judged_again_when_enough_labels_have_come_in(champion):
    few, more = (degraded("2013-06-01").model_copy(deep=True) for _ in range(2))
    more.quality.rows = few.quality.rows + 2000
    unlabelled = few.model_copy(update={"quality": None})
    assert says_more(few, unlabelled, 2000) and not says_more(unlabelled, unlabelled, 2000)
    assert says_more(more, few, 2000) and not says_more(more, few, 2001)
    assert not says_more(unlabelled, few, 2000)


def test_a_persons_word_after_a_rollback_stands_until_a_later_window_says_otherwise(champion):
    record_check.fn(MODEL, JUNE, degraded("2013-06-01"))
    assert not was_answered(read_log(MODEL), degraded("2013-06-01"))
    roll_back(read_log(MODEL), "degraded", "data", champion="2")
    promote_by_hand(MODEL, "2", "the labels were wrong", "data")
    log = read_log(MODEL)
    assert log.moves[-2].as_of == datetime(2013, 8, 1, tzinfo=UTC)
    windows = ("2013-06-01", "2013-08-01", "2013-08-02", "2013-09-01")
    assert [was_answered(log, degraded(window)) for window in windows] == [True, True, False, False]
    with pytest.raises(InputError, match="version 2 was rolled back for window 2013-06-01 already"):
        require_degraded(read_log(MODEL), "2013-06-01", "2")
