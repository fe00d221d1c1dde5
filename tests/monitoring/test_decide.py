"""The policy asks the record, and what it refuses is on record itself."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.monitoring.retrain_policy import decide
from tasks.registry import decision_log
from tasks.registry.versions import read_log
from tasks.training.challenger import Request

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def rows(year):
    return year.filter(pl.col("label_time") < JUNE)


def record(kind: str, as_of: datetime, done: bool = True, **tags: str) -> None:
    decision_log.close_record(decision_log.open_record(MODEL, kind, as_of, {}, **tags), done)


def refusals() -> list[str]:
    return [record.tags["reason"] for record in read_log(MODEL).of("refusal")]


def ask(request: Request, rows: pl.DataFrame, params) -> str | None:
    return decide(request, read_log(MODEL), rows, params.retrain)


def test_drift_on_record_is_answered_once(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    request = Request(JUNE, "drift", "2013-06-01")
    assert ask(request, rows, params) is None
    record("training", JUNE)
    for _ in range(3):
        assert ask(request, rows, params) == "the drift of window 2013-06-01 has its verdict"
    assert len(refusals()) == 3


def test_a_training_that_died_answers_nothing(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    record("training", JUNE, done=False)
    assert ask(Request(JUNE, "drift", "2013-06-01"), rows, params) is None


def test_an_event_inside_the_cooldown_is_refused_and_force_passes_with_its_reason(store, rows, params):
    record("training", JUNE - timedelta(days=6))
    record("check", JUNE, window="2013-06-01", alarm="True")
    assert ask(Request(JUNE, "drift", "2013-06-01"), rows, params).startswith("cooldown: ")
    assert ask(Request(JUNE, "drift", "2013-06-01", True, "we changed the schedule"), rows, params) is None
    assert len(refusals()) == 1


def test_too_few_labels_since_the_last_training_are_counted_on_the_rows(store, rows, params):
    record("training", JUNE - timedelta(days=20))
    record("check", JUNE, window="2013-06-01", alarm="True")
    many = params.model_copy(update={"retrain": params.retrain.model_copy(update={"min_new_rows": 100_000})})
    labelled = rows.filter(pl.col("label_time") >= JUNE - timedelta(days=20)).height
    assert f"only {labelled:,} rows were labelled" in ask(Request(JUNE, "schedule"), rows, many)


def test_a_row_that_became_known_at_the_very_moment_of_the_last_training_is_new(store, params):
    trained = JUNE - timedelta(days=20)
    record("training", trained)
    record("check", JUNE, window="2013-06-01", alarm="True")
    moments = [trained - timedelta(seconds=1), trained, JUNE - timedelta(seconds=1)]
    frame = pl.DataFrame({"label_time": moments}, schema={"label_time": pl.Datetime("us", "UTC")})
    assert ask(Request(JUNE, "schedule"), frame, params).startswith("only 2 rows were labelled")


def test_what_happens_after_as_of_does_not_count(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    record("training", JUNE + timedelta(days=60))
    assert ask(Request(JUNE, "drift", "2013-06-01"), rows, params) is None


def test_a_check_as_of_the_very_moment_counts_and_one_of_a_second_later_does_not(store, rows, params):
    record("check", JUNE, window="2013-06-01", alarm="True")
    request, early = (Request(at, "drift", "2013-06-01") for at in (JUNE, JUNE - timedelta(seconds=1)))
    assert ask(request, rows, params) is None
    assert ask(early, rows, params) == "no check on record says that window 2013-06-01 drifted"
