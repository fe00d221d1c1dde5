"""When to train: drift without a verdict, not too soon, not on too little, and always a reason for a refusal."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.monitoring.retrain_policy import Past, Request, why_not

JUNE, AUGUST = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
APRIL = datetime(2013, 4, 1, tzinfo=UTC)
PAST = Past(trainings=[APRIL], rollbacks=[], alarms={"2013-05-01": False, "2013-06-01": True})


def ask(params, past=PAST, new_rows=50_000, changed=None, **request) -> str | None:
    retrain = params.retrain.model_copy(update=changed or {})
    return why_not(
        Request(**{"as_of": JUNE, "cause": "drift", "window": "2013-06-01"} | request), past, new_rows, retrain
    )


def test_drift_without_a_verdict_is_answered_by_event_and_by_schedule(params):
    assert ask(params) is None
    assert ask(params, cause="schedule", window=None) is None


def test_a_window_that_has_its_verdict_is_not_answered_again(params):
    answered = PAST._replace(trainings=[APRIL, JUNE])
    for request in ({}, {"cause": "schedule", "window": None}, {"as_of": AUGUST}):
        assert ask(params, answered, **request) == "the drift of window 2013-06-01 has its verdict"


def test_an_event_that_no_record_bears_out_changes_nothing(params):
    assert ask(params, window="2013-05-01") == "no check on record says that window 2013-05-01 drifted"
    assert ask(params, window="2031-01-01") == "no check on record says that window 2031-01-01 drifted"
    assert ask(params, PAST._replace(alarms={}), cause="schedule", window=None) == "no window was checked yet"


def test_a_training_or_a_rollback_starts_the_cooldown(params):
    lately = JUNE - timedelta(days=5)
    for past in (PAST._replace(trainings=[lately]), PAST._replace(rollbacks=[lately])):
        assert ask(params, past).startswith("cooldown: the last training or rollback was as of 2013-05-27")
        assert ask(params, past, force=True, reason="I know") is None


def test_too_few_new_rows_are_not_enough(params):
    assert "only 10 rows were labelled since" in ask(params, new_rows=10)
    assert ask(params, new_rows=10, force=True, reason="I know") is None
    assert ask(params, PAST._replace(trainings=[]), new_rows=10) is None


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
    from tasks.core.errors import InputError
    from tasks.monitoring.rounds import require_reason

    with pytest.raises(InputError, match="force needs a reason"):
        require_reason(Request(JUNE, force=True, reason=reason))
