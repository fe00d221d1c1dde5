"""When to train: drift without a verdict, not too soon, not on too little, and always a reason for a refusal."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.errors import InputError
from tasks.monitoring.retrain_policy import Past, read_past, refusal_reason
from tasks.registry.entries import Checked, Judged, Move
from tasks.registry.state import Log
from tasks.training.challenger import Request, require_reason

JUNE, AUGUST = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
APRIL = datetime(2013, 4, 1, tzinfo=UTC)
PAST = Past(trainings=[APRIL], rollbacks=[], alarms={"2013-05-01": False, "2013-06-01": True})


def ask(params, past=PAST, new_rows=50_000, changed=None, **request) -> str | None:
    retrain = params.retrain.model_copy(update=changed or {})
    return refusal_reason(
        Request(**{"as_of": JUNE, "cause": "drift", "window": "2013-06-01"} | request), past, new_rows, retrain
    )


def test_drift_without_a_verdict_is_answered_by_event_and_by_schedule(params):
    assert ask(params) is None
    assert ask(params, cause="schedule", window=None) is None


def test_a_window_that_has_its_verdict_is_not_answered_again(params):
    answered = PAST._replace(trainings=[APRIL, JUNE])
    for request in ({}, {"cause": "schedule", "window": None}, {"as_of": AUGUST}):
        assert ask(params, answered, **request) == "the drift of window 2013-06-01 has its verdict"


def test_a_training_of_the_day_on_which_a_window_ends_is_its_verdict_and_one_of_the_day_before_is_not(params):
    later = {"as_of": AUGUST}
    for moment, answered in ((JUNE, True), (JUNE - timedelta(seconds=1), False)):
        reason = ask(params, PAST._replace(trainings=[moment]), **later)
        assert (reason == "the drift of window 2013-06-01 has its verdict") is answered


def test_an_event_that_names_nothing_on_record_asks_in_vain(params):
    assert ask(params, event="model.m.7", window=None) == "model.m.7 names no check on record"


def test_an_event_that_no_record_bears_out_changes_nothing(params):
    assert ask(params, window="2013-05-01") == "no check on record says that window 2013-05-01 drifted"
    assert ask(params, window="2031-01-01") == "no check on record says that window 2031-01-01 drifted"
    assert ask(params, PAST._replace(alarms={}), cause="schedule", window=None) == "no window was checked yet"


def test_a_training_or_a_rollback_starts_the_cooldown(params):
    lately = JUNE - timedelta(days=5)
    for past in (PAST._replace(trainings=[lately]), PAST._replace(rollbacks=[lately])):
        assert ask(params, past).startswith("cooldown: the last training or rollback was as of 2013-05-27")
        assert ask(params, past, force=True, reason="I know") is None


def test_the_cooldown_is_over_when_it_has_passed_and_not_a_second_before(params):
    for kind in ("trainings", "rollbacks"):
        at = JUNE - params.retrain.cooldown
        assert ask(params, PAST._replace(**{kind: [at]})) is None
        assert ask(params, PAST._replace(**{kind: [at + timedelta(seconds=1)]})).startswith("cooldown: ")


def test_force_passes_neither_a_window_without_drift_nor_one_that_has_its_verdict(params):
    forced = {"force": True, "reason": "I know"}
    assert ask(params, window="2013-05-01", **forced) == "no check on record says that window 2013-05-01 drifted"
    answered = PAST._replace(trainings=[JUNE])
    assert ask(params, answered, as_of=AUGUST, **forced) == "the drift of window 2013-06-01 has its verdict"
    assert ask(params, PAST._replace(alarms={}), window=None, **forced) == "no window was checked yet"
    twice = {"alarms": 2, "of_windows": 2}
    assert ask(params, changed=twice, **forced) == "1 of the last 2 windows drifted, retrain.alarms is 2"


def test_a_training_without_drift_is_due_when_its_time_has_come_and_not_a_second_before(params):
    calm, asked = PAST._replace(alarms={"2013-06-01": False}), {"cause": "schedule", "window": None}
    every = JUNE - APRIL
    assert ask(params, calm, changed={"every": every}, **asked) is None
    assert ask(params, calm, changed={"every": every + timedelta(seconds=1)}, **asked) is not None


def trained(as_of: datetime, version: str) -> Judged:
    facts = {"decision": "reject", "why": "", "judged_against": None, "key": "", "cause": "hand", "data_version": ""}
    return Judged(version=version, as_of=as_of, sha256="", bundle="", digests={}, **facts)


def checked(as_of: datetime, window: str, alarm: bool) -> Checked:
    return Checked(as_of=as_of, window=window, version="1", alarm=alarm, degraded=False, check={}, findings="")


def test_the_past_holds_what_happened_up_to_the_very_moment():
    second = timedelta(seconds=1)
    later = JUNE + second
    moves = [("promotion", "1", None, APRIL), ("promotion", "2", "1", APRIL), ("promotion", "3", "2", APRIL)]
    moves += [("rollback", "2", "3", JUNE), ("rollback", "1", "2", later)]
    log = Log("m", [trained(JUNE, "1"), trained(later, "2"), trained(later, "3")])
    for kind, version, replaces, as_of in moves:
        log.add(Move(kind=kind, version=version, replaces=replaces, as_of=as_of))
    for as_of in (JUNE, later):
        log.add(checked(as_of, "2013-06-01", True))
    assert read_past(log, JUNE) == Past([JUNE], [JUNE], {"2013-06-01": True})
    assert read_past(log, JUNE - second) == Past([], [], {})
    assert read_past(log, later) == Past([JUNE, later, later], [JUNE, later], {"2013-06-01": True})


def test_a_window_drifted_if_any_check_of_it_says_so_whoever_was_champion():
    checks = [("2013-07-01", False), ("2013-06-01", True), ("2013-06-01", False)]
    log = Log("m", [checked(JUNE, window, alarm) for window, alarm in checks])
    assert list(read_past(log, JUNE).alarms.items()) == [("2013-06-01", True), ("2013-07-01", False)]


def test_too_few_new_rows_are_not_enough(params):
    assert "only 10 rows were labelled since" in ask(params, new_rows=10)
    assert ask(params, new_rows=10, force=True, reason="I know") is None
    assert ask(params, PAST._replace(trainings=[]), new_rows=10) is None
    enough = params.retrain.min_new_rows
    assert ask(params, new_rows=enough) is None and ask(params, new_rows=enough - 1).startswith("only 4,999 rows")


def test_so_many_of_the_last_windows_must_have_drifted(params):
    assert ask(params, changed={"alarms": 2, "of_windows": 2}) == "1 of the last 2 windows drifted, retrain.alarms is 2"
    twice = PAST._replace(alarms={"2013-05-01": True, "2013-06-01": True})
    assert ask(params, twice, changed={"alarms": 2, "of_windows": 2}) is None


def test_without_drift_the_schedule_trains_only_when_it_is_time(params):
    calm = PAST._replace(alarms={"2013-06-01": False})
    asked = {"cause": "schedule", "window": None}
    assert ask(params, calm, **asked) is not None
    assert ask(params, calm, changed={"every": timedelta(days=90)}, **asked) is not None
    assert ask(params, calm, changed={"every": timedelta(days=60)}, **asked) is None


def test_a_training_by_hand_always_goes(params):
    assert ask(params, PAST._replace(trainings=[JUNE]), new_rows=0, cause="hand") is None


@pytest.mark.parametrize("reason", ["", " "])
def test_force_needs_a_reason(reason):
    with pytest.raises(InputError, match="force needs a reason"):
        require_reason(True, reason)
