"""A person has the last word, once, in time, and about the champion that the gate compared with."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.errors import InputError
from tasks.evaluation.gate import hold_for_review
from tasks.evaluation.verdict import Verdict
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand
from tasks.registry.review import answer_review, request_review, settle_reviews
from tasks.registry.state import Review
from tasks.registry.versions import Challenger

MODEL = "late-arrivals"
JUNE = datetime(2013, 6, 1, tzinfo=UTC)
PENDING = Verdict(decision="pending", checks=[], metrics={})


def ask(version: str, champion: str | None, timeout=timedelta(days=1)) -> None:
    request_review.fn(MODEL, Challenger(version, PENDING, champion), JUNE, timeout)


def reviews() -> list[Review]:
    return list(read_log(MODEL).reviews.values())


@pytest.fixture
def waiting(versions):
    """Version 1 is champion, version 2 waits for a person."""
    promote_by_hand(MODEL, "1", "first", "data")
    ask("2", "1")


def outcomes() -> list[tuple[str, str]]:
    return [(review.version, review.outcome) for review in reviews()]


def test_in_review_mode_the_gate_never_promotes_by_itself_and_still_rejects(params):
    review = params.promotion.model_copy(update={"mode": "review"})
    for decision, held in {"promote": "pending", "reject": "reject"}.items():
        verdict = PENDING.model_copy(update={"decision": decision})
        assert hold_for_review(verdict, review).decision == held
        assert hold_for_review(verdict, params.promotion).decision == decision


def test_nothing_moves_before_the_answer_and_a_version_is_asked_about_once(waiting, capsys):
    ask("2", "1")
    assert capsys.readouterr().out == ""
    ask("3", "1")
    assert "version 3 waits for a person" in capsys.readouterr().out
    assert outcomes() == [("2", "pending"), ("3", "pending")] and read_log(MODEL).champion() == "1"


def test_an_approval_promotes_with_name_and_note_on_the_record(waiting):
    assert answer_review(MODEL, "2", "approve", "Ada", "looks right", "data").outcome == "approved"
    move = read_log(MODEL).moves[-1]
    assert (move.replaces, move.version, move.by, move.reason) == ("1", "2", "Ada", "looks right")
    (review,) = reviews()
    assert (review.outcome, review.by, review.note) == ("approved", "Ada", "looks right")


def test_a_rejection_keeps_the_champion_and_goes_on_record(waiting):
    answer_review(MODEL, "2", "reject", "Ada", "too good to be true", "data")
    (review,) = reviews()
    assert (review.outcome, review.by, review.note) == ("rejected", "Ada", "too good to be true")
    assert read_log(MODEL).champion() == "1"


def test_the_second_answer_is_told_the_first(waiting):
    answer_review(MODEL, "2", "reject", "Ada", "no", "data")
    with pytest.raises(InputError, match="version 2 of late-arrivals was rejected already by Ada: no"):
        answer_review(MODEL, "2", "approve", "Bob", "yes", "data")
    assert read_log(MODEL).champion() == "1"


def test_an_approval_is_refused_when_the_champion_has_changed_since(waiting):
    promote_by_hand(MODEL, "3", "urgent", "data")
    refused = answer_review(MODEL, "2", "approve", "Ada", "yes", "data")
    assert refused.outcome == "refused" and "is version 3 now, not 1" in refused.note
    assert read_log(MODEL).champion() == "3"


def test_no_answer_in_time_counts_as_rejected(versions):
    ask("2", None, timeout=timedelta(seconds=-1))
    settle_reviews(MODEL)
    assert outcomes() == [("2", "expired")]
    with pytest.raises(InputError, match="was expired already by nobody"):
        answer_review(MODEL, "2", "approve", "Ada", "sorry, late", "data")
    assert read_log(MODEL).champion() is None


def test_an_answer_at_the_very_end_of_the_time_counts_and_one_a_moment_later_does_not(waiting, monkeypatch):
    clock = []

    class Frozen(datetime):
        @classmethod
        def now(cls, zone=None):
            return clock[-1]

    monkeypatch.setattr("tasks.registry.review.datetime", Frozen)
    (review,) = reviews()
    for at, outcome in ((review.asked.until, "pending"), (review.asked.until + timedelta(microseconds=1), "expired")):
        clock.append(at)
        settle_reviews(MODEL)
        assert outcomes() == [("2", outcome)]


def test_a_promotion_over_the_heads_answers_the_review(waiting):
    promote_by_hand(MODEL, "2", "cannot wait", "data")
    settle_reviews(MODEL)
    (review,) = reviews()
    assert (review.outcome, review.note) == ("approved", "cannot wait")


@pytest.mark.parametrize(("by", "note"), [("", "why"), ("Ada", "  ")])
def test_an_answer_needs_a_name_and_a_note(waiting, by, note):
    with pytest.raises(InputError, match="needs the name of who answers and a note why"):
        answer_review(MODEL, "2", "approve", by, note, "data")


def test_a_version_that_nobody_asked_about_is_named(waiting):
    with pytest.raises(InputError, match="version '7' of late-arrivals waits for no review"):
        answer_review(MODEL, "7", "approve", "Ada", "yes", "data")
