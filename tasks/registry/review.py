"""Reviews: what the gate would promote waits on record for a person; reject is the default."""

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from mlflow.entities import Run
from prefect import task

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.locks import only_one
from tasks.registry import decision_log as logbook
from tasks.registry.promotion import LOCK_SECONDS, NotMovedError, move_pointer
from tasks.registry.versions import find_moves, logical_now
from tasks.training.challenger import Challenger

Decision = Literal["approve", "reject"]


class Review(NamedTuple):
    """One question to a person, and its answer."""

    run_id: str
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
def request_review(model: str, challenger: Challenger, as_of: datetime, patience: timedelta) -> None:
    """Put the question on record, once for a version, and let it be known."""
    if any(review.version == challenger.version for review in find_reviews(model)):
        return
    until = f"{datetime.now(UTC) + patience:%Y-%m-%dT%H:%M:%S+00:00}"
    facts = {"version": challenger.version, "champion": challenger.judged_against or "", "until": until}
    logbook.open_record(model, "review", as_of, facts, **facts)
    print(f"version {challenger.version} waits for a person until {until}: {how_to_answer(challenger.version)}")
    announce("review.requested", f"model.{model}", model=model, **facts, as_of=as_of.isoformat())


def how_to_answer(version: str) -> str:
    return f'resume review/on-request in the Prefect UI, or python -m flows.review {version} approve|reject "why"'


def answer_review(model: str, version: str, decision: Decision, by: str, note: str, clock: str) -> Review:
    """Record a person's answer and act on it; the first answer counts.

    Raises:
        InputError: The version does not wait for an answer any more, or never did.
    """
    if not (by.strip() and note.strip()):
        raise InputError("a review needs the name of who answers and a note why: the record will show them")
    with only_one("answer to a review", LOCK_SECONDS):
        settle_reviews(model)
        review = require_review(model, version)
        if review.outcome != "pending":
            raise InputError(f"version {version} of {model} was {review.outcome} already by {review.by}: {review.note}")
        if decision == "reject":
            close(model, review, "rejected", by, note)
        else:
            approve(model, review, by, note, clock)
    return require_review(model, version)


def approve(model: str, review: Review, by: str, note: str, clock: str) -> None:
    """Promote, unless the champion is not the one any more that the gate compared with."""
    try:
        now = max(logical_now(model, clock), review.as_of)
        move_pointer("promotion", model, review.version, review.champion, now, note, by)
    except NotMovedError as hindrance:
        close(model, review, "refused", by, f"{note} ({hindrance})")
    else:
        close(model, review, "approved", by, note)


def settle_reviews(model: str) -> None:
    """Close what needs no answer any more: its time is over, or the version was promoted meanwhile."""
    moves = {move.target: move for move in find_moves(model)}
    for review in find_reviews(model):
        if review.outcome != "pending":
            continue
        if move := moves.get(review.version):
            close(model, review, "approved", move.by, move.reason)
        elif datetime.now(UTC) > review.until:
            close(model, review, "expired", "nobody", f"no answer until {review.until:%Y-%m-%d %H:%M}")


def close(model: str, review: Review, outcome: str, by: str, note: str) -> None:
    """Put the answer on record; all but an approval is news of a rejection."""
    logbook.add_evidence(model, review.run_id, {**review._asdict(), "outcome": outcome, "by": by, "note": note})
    logbook.add_tags(review.run_id, outcome=outcome, by=by, note=note[: logbook.TAG_LENGTH])
    logbook.close_record(review.run_id)
    if outcome != "approved":
        facts = {"model": model, "version": review.version, "reason": f"{outcome} by {by}: {note}"}
        announce("model.rejected", f"model.{model}", **facts, as_of=review.as_of.isoformat())


def require_review(model: str, version: str) -> Review:
    """The review of a version."""
    for review in find_reviews(model):
        if review.version == version:
            return review
    raise InputError(f"version {version!r} of {model} waits for no review: `python -m flows.review` lists what does")


def find_reviews(model: str) -> list[Review]:
    """All reviews on record, oldest first."""
    return [read_review(run) for run in logbook.find_records(model, "review")]


def read_review(run: Run) -> Review:
    tags = run.data.tags
    return Review(
        run_id=run.info.run_id,
        version=tags["version"],
        champion=tags["champion"] or None,
        as_of=datetime.fromisoformat(tags["as_of"]),
        until=datetime.fromisoformat(tags["until"]),
        outcome=tags.get("outcome", "pending"),
        by=tags.get("by", ""),
        note=tags.get("note", ""),
        holder=tags.get("holder", ""),
    )
