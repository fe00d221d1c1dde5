"""The policy asks the record, and what it refuses is on record itself."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.monitoring.retrain_policy import decide, make_request
from tasks.registry import decision_log
from tasks.registry.decision_log import read_log, resource_of
from tasks.registry.entries import Checked, Judged, Move, Refused
from tasks.training.challenger import Request

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def rows(year):
    return year.filter(pl.col("label_time") < JUNE)


def check(as_of: datetime, alarm: bool = True) -> str:
    """Record a check of the window 2013-06-01; returns the id by which an event names it."""
    facts = {"window": "2013-06-01", "version": "1", "alarm": alarm, "degraded": False, "check": {}, "findings": ""}
    return resource_of(MODEL, decision_log.record(MODEL, Checked(as_of=as_of, **facts)))


def train(as_of: datetime) -> None:
    """Record a training that ended in a verdict."""
    facts = {"decision": "reject", "why": "", "judged_against": None, "key": "", "cause": "hand", "data_version": ""}
    facts |= {"version": read_log(MODEL).next_version(), "sha256": "", "bundle": "", "digests": {}}
    decision_log.record(MODEL, Judged(as_of=as_of, **facts))


def refusals() -> list[str]:
    return [entry.reason for entry in read_log(MODEL).of(Refused)]


def ask(request: Request, rows: pl.DataFrame, params) -> str | None:
    return decide(request, read_log(MODEL), rows, params.retrain)


def test_drift_on_record_is_answered_once(store, rows, params):
    check(JUNE)
    request = Request(JUNE, "drift", "2013-06-01")
    assert ask(request, rows, params) is None
    train(JUNE)
    for _ in range(3):
        assert ask(request, rows, params) == "the drift of window 2013-06-01 has its verdict"
    assert len(refusals()) == 1


def test_an_event_is_believed_only_what_the_log_says_of_the_entry_that_it_names(store, rows, params):
    drifted, fine = check(JUNE), check(JUNE + timedelta(days=1), alarm=False)

    def ask_for(event: str) -> tuple[Request, str | None]:
        request = make_request(read_log(MODEL), JUNE + timedelta(days=400), "drift", event, False, "")
        return request, ask(request, rows, params)

    request, refused = ask_for(drifted)
    assert (request.as_of, request.window, refused) == (JUNE, "2013-06-01", None)
    for event in (f"model.{MODEL}.99", "model.other.1", f"model.{MODEL}.2013-06-01", "{{ 7 * 7 }}") * 2:
        assert ask_for(event)[1] == f"{event} names no check on record"
    assert ask_for(fine)[1] is None  # another check of the window found drift
    assert len(refusals()) == 4


def test_an_event_inside_the_cooldown_is_refused_and_force_passes_with_its_reason(store, rows, params):
    train(JUNE - timedelta(days=6))
    check(JUNE)
    assert ask(Request(JUNE, "drift", "2013-06-01"), rows, params).startswith("cooldown: ")
    assert ask(Request(JUNE, "drift", "2013-06-01", True, "we changed the schedule"), rows, params) is None
    assert len(refusals()) == 1


def test_too_few_labels_since_the_last_training_are_counted_on_the_rows(store, rows, params):
    train(JUNE - timedelta(days=20))
    check(JUNE)
    many = params.model_copy(update={"retrain": params.retrain.model_copy(update={"min_new_rows": 100_000})})
    labelled = rows.filter(pl.col("label_time") >= JUNE - timedelta(days=20)).height
    assert f"only {labelled:,} rows were labelled" in ask(Request(JUNE, "schedule"), rows, many)


def test_a_row_that_became_known_at_the_very_moment_of_the_last_training_is_new(store, params):
    trained = JUNE - timedelta(days=20)
    train(trained)
    check(JUNE)
    moments = [trained - timedelta(seconds=1), trained, JUNE - timedelta(seconds=1)]
    frame = pl.DataFrame({"label_time": moments}, schema={"label_time": pl.Datetime("us", "UTC")})
    assert ask(Request(JUNE, "schedule"), frame, params).startswith("only 2 rows were labelled")


@pytest.mark.parametrize(("cause", "answer"), [("drift", "the champion moved after 2013-06-01"), ("hand", "None")])
def test_drift_whose_check_also_began_a_rollback_waits_for_the_next_training(store, rows, params, cause, answer):
    """Judged against the version that was left, a challenger could not move, and the drift would count as answered."""
    check(JUNE)
    train(JUNE - timedelta(days=60))
    move = {"version": "1", "replaces": None, "reason": "of a test", "kind": "promotion"}
    decision_log.record(MODEL, Move(as_of=JUNE + timedelta(minutes=1), **move))
    assert str(ask(Request(JUNE, cause, "2013-06-01"), rows, params)).startswith(answer)
    assert ask(Request(JUNE + timedelta(days=30), "schedule"), rows, params) is None


def test_what_happens_after_as_of_does_not_count(store, rows, params):
    check(JUNE)
    train(JUNE + timedelta(days=60))
    assert ask(Request(JUNE, "drift", "2013-06-01"), rows, params) is None


def test_a_check_as_of_the_very_moment_counts_and_one_of_a_second_later_does_not(store, rows, params):
    check(JUNE)
    request, early = (Request(at, "drift", "2013-06-01") for at in (JUNE, JUNE - timedelta(seconds=1)))
    assert ask(request, rows, params) is None
    assert ask(early, rows, params) == "no check on record says that window 2013-06-01 drifted"
