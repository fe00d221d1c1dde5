"""The review form of the Prefect UI: one suspended run holds it, with everything the gate knows."""

from uuid import UUID

from prefect import task
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed

from tasks.core.events import reaches_server
from tasks.operations.training_page import training_page
from tasks.registry.decision_log import find_entry
from tasks.registry.entries import Asked
from tasks.registry.review import claim_review
from tasks.registry.state import Log, Review


def asked_version(log: Log, event: str) -> str:
    """The version of the question that an event names; one that no review has where there is no such question."""
    asked = find_entry(log, event, Asked)
    return asked.version if asked else ""


@task
def take_review(log: Log, version: str | None) -> Review | None:
    """The review that this run holds; else the first pending one, of `version` if given, that no living run holds."""
    run = str(flow_run.id)
    for review in log.reviews.values():
        if review.holder == run:
            return review
    for review in log.reviews.values():
        wanted = log.is_pending(review.version) and version in (None, review.version)
        if wanted and not is_alive(review.holder) and claim_review(log.model, review, run):
            return review
    return None


def is_alive(holder: str) -> bool:
    """Whether a flow run still waits or works."""
    if not holder:
        return False
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(holder)).state
        except ObjectNotFound:  # another server held it
            return False
    return state is not None and not state.is_final()


def end_holder(review: Review) -> None:
    """The answer came from elsewhere: let the run that holds the question end, if there is a server to tell."""
    if review.holder and reaches_server("the end of the form in the UI") and is_alive(review.holder):
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(
                UUID(review.holder),
                Completed(name=review.outcome.capitalize(), message=f"by {review.by}: {review.note}"),
                force=True,
            )


def describe_review(log: Log, review: Review) -> str:
    """What an answer does, and the challenger against the champion with all evidence, as markdown."""
    against = f"champion version {review.asked.champion}" if review.asked.champion else "no champion: this is the first"
    title = f"### Version {review.version} of {log.model}, against {against}"
    return f"{title}\n\n{training_page(log, review.version)}"
