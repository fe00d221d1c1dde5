"""The review form of the Prefect UI: one suspended run holds it, with everything the gate knows."""

from uuid import UUID

from prefect import task
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed

from tasks.core.events import server_answers
from tasks.evaluation.gate import Verdict
from tasks.operations.artifacts import as_markdown, inert, verdict_tables
from tasks.operations.pictures import draw_gain
from tasks.registry import decision_log
from tasks.registry.review import Review, find_reviews
from tasks.registry.versions import Log, load_version


@task
def take_review(log: Log, version: str | None) -> Review | None:
    """The review that this run holds; else the first pending one, of `version` if given, that no living run holds."""
    run, reviews = flow_run.id, find_reviews(log)
    for review in reviews:
        if review.holder == run:
            return review
    for review in reviews:
        if review.outcome == "pending" and version in (None, review.version) and not is_alive(review.holder):
            decision_log.add_tags(review.record_id, holder=run)
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
    if review.holder and server_answers() and is_alive(review.holder):
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(
                UUID(review.holder), Completed(message=f"{review.outcome} by {review.by}"), force=True
            )


def describe_review(model: str, review: Review) -> str:
    """The challenger against the champion, as markdown: checks with intervals, metrics, slices, and the gain by day."""
    card = load_version(model, review.version).card
    verdict = Verdict.model_validate(card["verdict"])
    against = f"champion version {review.champion}" if review.champion else "no champion: this is the first"
    tables = verdict_tables(verdict)
    lines = [
        f"### Version {review.version} of {model}, against {against}",
        f"Trained as of {review.as_of:%Y-%m-%d %H:%M} on data version `{card['data_version']}`, cause {card['cause']}, "
        f"{card['rows']['fit']:,} rows fitted, {card['rows']['gate']:,} judged. No answer until "
        f"{review.until:%Y-%m-%d %H:%M} UTC counts as a rejection.",
        "Every check of the gate holds; scroll for metrics, slices and the gain by day.",
        "\n".join(f"- {inert(str(check))}" for check in verdict.checks),
        as_markdown(tables["Metrics on the gate rows"]),
        as_markdown(tables["Slices"]),
        f"![gain by day]({draw_gain(verdict.gain_by_day)})",
    ]
    return "\n\n".join(lines)
