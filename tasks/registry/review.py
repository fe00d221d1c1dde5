"""Human review: a challenger that passed the gate waits for a person's answer; reject is the default."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.provenance import is_reason
from tasks.registry.decision_log import decide, read_log, resource_of
from tasks.registry.entries import Answered, Asked, Claim, Move
from tasks.registry.promotion import announce_move, make_move
from tasks.registry.state import Log, NotMovedError, Review
from tasks.registry.versions import Challenger

Decision = Literal["approve", "reject"]


@task
def request_review(model: str, challenger: Challenger, as_of: datetime, timeout: timedelta) -> None:
    """Record the request for a review, once per version, and emit review.requested."""
    version, until = challenger.version, (datetime.now(UTC) + timeout).replace(microsecond=0)

    def judge(log: Log) -> Asked | None:
        if version in log.reviews:
            return None
        return Asked(version=version, champion=challenger.judged_against, until=until, as_of=as_of)

    if asked := decide(model, judge):
        print(f"version {version} waits for a person until {until:%Y-%m-%d %H:%M} UTC: {how_to_answer(model, version)}")
        facts = {"version": version, "champion": asked.champion, "until": until.isoformat()}
        announce("review.requested", resource_of(model, asked), model=model, **facts, as_of=as_of.isoformat())


def claim_review(model: str, review: Review, run: str) -> bool:
    """Record that this run shows the question; False if it was answered, or another run took it, just now."""

    def judge(log: Log) -> Claim | None:
        if log.reviews[review.version] != review:
            return None
        return Claim(work="review", version=review.version, run=run, as_of=review.asked.as_of)

    return decide(model, judge) is not None


def how_to_answer(model: str, version: str) -> str:
    """The two ways to answer a review."""
    command = f'ml review {version} approve|reject "why" --model {model}'
    return f"resume review/review-on-request in the Prefect UI, or `{command}`"


def answer_review(model: str, version: str, decision: Decision, by: str, note: str, clock: str) -> Review:
    """Record a person's answer and act on it; the first answer counts.

    Raises:
        InputError: The version does not wait for an answer any more, or never did.
    """
    if not (by.strip() and is_reason(note)):
        raise InputError("a review needs the name of who answers and a note why: the record will show them")
    require_pending(settle_reviews(model), version)
    if decision == "reject":
        close_review(model, version, "rejected", by, note)
    else:
        try:
            approve(model, version, by, note, clock)
        except NotMovedError as hindrance:
            close_review(model, version, "refused", by, f"{note} ({hindrance})")
    return read_log(model).reviews[version]


def approve(model: str, version: str, by: str, note: str, clock: str) -> None:
    """Promote, unless the champion has changed since the gate compared with it."""

    def judge(log: Log) -> Move:
        asked = require_pending(log, version).asked
        return make_move(log, "promotion", version, asked.champion, max(log.now(clock), asked.as_of), note, by)

    announce_move(model, decide(model, judge))


def require_pending(log: Log, version: str) -> Review:
    """The review of a version that waits for its answer.

    Raises:
        InputError: It does not.
    """
    if version not in log.reviews:
        raise InputError(f"version {version!r} of {log.model} waits for no review: `ml review` lists what does")
    review = log.reviews[version]
    if review.outcome != "pending":
        raise InputError(f"version {version} of {log.model} was {review.outcome} already by {review.by}: {review.note}")
    return review


def settle_reviews(model: str) -> Log:
    """Reject what nobody answered in time; returns the log after it."""
    log = read_log(model)
    late = [review for review in log.reviews.values() if log.is_pending(review.version) and is_over(review)]
    for review in late:
        note = f"no answer until {review.asked.until:%Y-%m-%d %H:%M}"
        close_review(model, review.version, "expired", "nobody", note)
    return read_log(model) if late else log


def is_over(review: Review) -> bool:
    return datetime.now(UTC) > review.asked.until


def close_review(
    model: str, version: str, outcome: Literal["rejected", "expired", "refused"], by: str, note: str
) -> None:
    """Record an answer that is no approval, unless somebody was first, and emit model.rejected."""

    def judge(log: Log) -> Answered | None:
        if outcome == "expired" and not log.is_pending(version):
            return None
        asked = require_pending(log, version).asked
        return Answered(version=version, outcome=outcome, by=by, reason=note, as_of=asked.as_of)

    if answer := decide(model, judge):
        facts = {"version": version, "reason": f"{outcome} by {by}: {note}", "as_of": answer.as_of.isoformat()}
        announce("model.rejected", resource_of(model, answer), model=model, **facts)
