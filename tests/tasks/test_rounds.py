"""The policy asks the record, and what it refuses is on record itself."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.monitoring.retrain_policy import Request
from tasks.monitoring.rounds import decide, find_challenger
from tasks.registry import decision_log as logbook
from tasks.registry.promotion import promote_by_hand, roll_back

MODEL = "late-arrivals"
JUNE, LATER = datetime(2013, 6, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)


@pytest.fixture
def rows(year):
    return year.filter(pl.col("known_at") < JUNE)


def record(kind: str, as_of: datetime, done: bool = True, **tags: str) -> None:
    logbook.close_record(logbook.open_record(MODEL, kind, as_of, {}, **tags), done)


def refusals() -> list[str]:
    return [run.data.tags["reason"] for run in logbook.find_records(MODEL, "refusal")]


def test_a_verdict_stands_while_the_champion_it_was_judged_against_does(versions):
    verdict = {"decision": "reject", "reason": "", "checks": [], "metrics": {}}
    card = {"verdict": verdict, "judged_against": "2"}
    run = logbook.open_record(MODEL, "training", JUNE, card, key="same", version="3")
    logbook.close_record(run)
    promote_by_hand(MODEL, "1", "first", "data")
    assert find_challenger(MODEL, "same", LATER) is None
    promote_by_hand(MODEL, "2", "better", "data")
    assert find_challenger(MODEL, "same", LATER).version == "3" and find_challenger(MODEL, "other", LATER) is None
    roll_back(MODEL, "worse", "data")
    assert find_challenger(MODEL, "same", LATER) is None


def test_drift_on_record_is_answered_once(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    request = Request(JUNE, "drift", "2013-06-01")
    assert decide(request, rows, params) is None
    record("training", JUNE)
    for _ in range(3):
        assert decide(request, rows, params) == "the drift of window 2013-06-01 has its verdict"
    assert len(refusals()) == 3


def test_a_training_that_died_answers_nothing(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    record("training", JUNE, done=False)
    assert decide(Request(JUNE, "drift", "2013-06-01"), rows, params) is None


def test_an_event_inside_the_cooldown_is_refused_and_force_passes_with_its_reason(store, rows, params):
    record("training", JUNE - timedelta(days=6))
    record("check", JUNE, window="2013-06-01", alarm="True")
    assert decide(Request(JUNE, "drift", "2013-06-01"), rows, params).startswith("cooldown: ")
    assert decide(Request(JUNE, "drift", "2013-06-01", True, "we changed the schedule"), rows, params) is None
    assert len(refusals()) == 1


def test_too_few_labels_since_the_last_training_are_counted_on_the_rows(store, rows, params):
    record("training", JUNE - timedelta(days=20))
    record("check", JUNE, window="2013-06-01", alarm="True")
    many = params.model_copy(update={"retrain": params.retrain.model_copy(update={"min_new_rows": 100_000})})
    labelled = rows.filter(pl.col("known_at") >= JUNE - timedelta(days=20)).height
    assert f"only {labelled:,} rows were labelled" in decide(Request(JUNE, "schedule"), rows, many)


def test_what_happens_after_as_of_does_not_count(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    record("training", JUNE + timedelta(days=60))
    assert decide(Request(JUNE, "drift", "2013-06-01"), rows, params) is None
