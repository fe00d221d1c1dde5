"""Human review: a challenger that passed the gate waits for a person's answer; reject is the default."""

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.locks import exclusive
from tasks.registry import decision_log
from tasks.registry.decision_log import Record
from tasks.registry.promotion import LOCK_SECONDS, NotMovedError, move_pointer
from tasks.registry.versions import Challenger, Log, read_log

Decision = Literal["approve", "reject"]


class Review(NamedTuple):
    """One question to a person, and its answer."""

    record_id: str
    version: str
    champion: str | None  # that the gate compared with; it must still be champion
    as_of: datetime  # of the training
    until: datetime  # after it, no answer counts as a rejection
    outcome: str  # pending, approved, rejected, expired, refused
    by: str
    note: str
    holder: str  # the flow run that shows the question in the Prefect UI

    @property
    def seconds_left(self) -> int:
        """For an answer, at least one."""
        return max(1, int((self.until - datetime.now(UTC)).total_seconds()))


@task
def request_review(log: Log, challenger: Challenger, as_of: datetime, timeout: timedelta) -> None:
    """Record the request for a review, once per version, and emit review.requested."""
    model = log.model
    if any(review.version == challenger.version for review in find_reviews(log)):
        return
    until = f"{datetime.now(UTC) + timeout:%Y-%m-%dT%H:%M:%S+00:00}"
    facts = {"version": challenger.version, "champion": challenger.judged_against or "", "until": until}
    decision_log.open_record(model, "review", as_of, facts, **facts)
    print(f"version {challenger.version} waits for a person until {until}: {how_to_answer(challenger.version)}")
    announce("review.requested", f"model.{model}", model=model, **facts, as_of=as_of.isoformat())


def how_to_answer(version: str) -> str:
    return (
        f'resume review/review-on-request in the Prefect UI, or python -m flows.review {version} approve|reject "why"'
    )


def answer_review(model: str, version: str, decision: Decision, by: str, note: str, clock: str) -> Review:
    """Record a person's answer and act on it; the first answer counts.

    Raises:
        InputError: The version does not wait for an answer any more, or never did.
    """
    if not (by.strip() and note.strip()):
        raise InputError("a review needs the name of who answers and a note why: the record will show them")
    with exclusive("answer to a review", LOCK_SECONDS):
        log = settle_reviews(read_log(model))
        review = require_review(log, version)
        if review.outcome != "pending":
            raise InputError(f"version {version} of {model} was {review.outcome} already by {review.by}: {review.note}")
        if decision == "reject":
            close(model, review, "rejected", by, note)
        else:
            approve(log, review, by, note, clock)
    return require_review(read_log(model), version)


def approve(log: Log, review: Review, by: str, note: str, clock: str) -> None:
    """Promote, unless the champion has changed since the gate compared with it."""
    try:
        now = max(log.now(clock), review.as_of)
        move_pointer("promotion", log.model, review.version, review.champion, now, note, by)
    except NotMovedError as hindrance:
        close(log.model, review, "refused", by, f"{note} ({hindrance})")
    else:
        close(log.model, review, "approved", by, note)


def settle_reviews(log: Log) -> Log:
    """Close what needs no answer any more: its time is over, or the version was promoted; returns the log after it."""
    moves, now = {move.target: move for move in log.moves}, datetime.now(UTC)
    pending = [review for review in find_reviews(log) if review.outcome == "pending"]
    settled = [review for review in pending if review.version in moves or now > review.until]
    for review in settled:
        if move := moves.get(review.version):
            close(log.model, review, "approved", move.by, move.reason)
        else:
            close(log.model, review, "expired", "nobody", f"no answer until {review.until:%Y-%m-%d %H:%M}")
    return read_log(log.model) if settled else log


def close(model: str, review: Review, outcome: str, by: str, note: str) -> None:
    """Record the answer; anything but an approval emits model.rejected."""
    decision_log.add_evidence(model, review.record_id, {**review._asdict(), "outcome": outcome, "by": by, "note": note})
    decision_log.add_tags(review.record_id, outcome=outcome, by=by, note=note[: decision_log.TAG_LENGTH])
    decision_log.close_record(review.record_id)
    if outcome != "approved":
        facts = {"model": model, "version": review.version, "reason": f"{outcome} by {by}: {note}"}
        announce("model.rejected", f"model.{model}", **facts, as_of=review.as_of.isoformat())


def require_review(log: Log, version: str) -> Review:
    """The review of a version."""
    for review in find_reviews(log):
        if review.version == version:
            return review
    raise InputError(
        f"version {version!r} of {log.model} waits for no review: `python -m flows.review` lists what does"
    )


def find_reviews(log: Log) -> list[Review]:
    """All reviews on record, oldest first."""
    return [to_review(record) for record in log.of("review")]


def to_review(record: Record) -> Review:
    tags = record.tags
    return Review(
        record_id=record.id,
        version=tags["version"],
        champion=tags["champion"] or None,
        as_of=record.as_of,
        until=datetime.fromisoformat(tags["until"]),
        outcome=tags.get("outcome", "pending"),
        by=tags.get("by", ""),
        note=tags.get("note", ""),
        holder=tags.get("holder", ""),
    )
