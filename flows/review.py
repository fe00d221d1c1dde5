"""Ask a person whether a challenger becomes champion: ml review [VERSION approve|reject NOTE]"""

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from tasks.core.params import Params, Prefilled
from tasks.core.provenance import who
from tasks.operations.home_page import refresh_home_page
from tasks.operations.naming import name_run
from tasks.operations.review_form import asked_version, describe_review, end_holder, take_review
from tasks.operations.run_end import end_as
from tasks.operations.serving import hand_over_contexts
from tasks.operations.terminal import say, say_json, say_table
from tasks.registry.decision_log import EventId
from tasks.registry.entries import VersionNumber
from tasks.registry.review import Decision, answer_review, settle_reviews
from tasks.registry.state import Log, Review


class Answer(RunInput):
    """The form of the Prefect UI."""

    decision: Decision = "reject"
    name: str = Field(min_length=1, max_length=100, description="who answers")
    note: str = Field(min_length=1, max_length=2000, description="why")


@flow(log_prints=True, flow_run_name=name_run)
def review(
    version: VersionNumber | None = None,
    event: EventId = "",
    model: str | None = None,
    params: Params = Prefilled.read(),
) -> None:
    """Wait, suspended, for a person's answer; the run takes no place in the worker meanwhile.

    Args:
        version: The challenger to ask about; left out, the first that waits.
        event: Of the request for a review, as model.NAME.ENTRY; the version is that of the entry on record.
        model: Its name; left out, that of the event, of params.yaml, or the only one of project/.
        params: The clock.
    """
    params = params.current(model, event)
    log = settle_reviews(params.model)
    waiting = take_review(log, asked_version(log, event) if event else version)
    if waiting is None:
        return end_as("NothingNew", "no review waits to be asked", None, model=params.model)
    if waiting.outcome == "pending":
        form = Answer.with_initial_data(description=describe_review(log, waiting))
        answer = suspend_flow_run(wait_for_input=form, timeout=waiting.seconds_left)
        waiting = answer_review(params.model, waiting.version, answer.decision, answer.name, answer.note, params.clock)
    hand_over_contexts(params.data)
    refresh_home_page()
    told = f"version {waiting.version} was {waiting.outcome} by {waiting.by}: {waiting.note}"
    return end_as(waiting.outcome.capitalize(), told, None, model=params.model)


def answer_here(params: Params, version: str, decision: Decision, note: str, name: str | None) -> None:
    """Answer without the form; needs no Prefect server."""
    answered = answer_review(params.model, version, decision, name or who(), note, params.clock)
    end_holder(answered)
    hand_over_contexts(params.data)
    say(f"version {version} was {answered.outcome} by {answered.by}: {answered.note}")


def list_reviews(log: Log, as_json: bool) -> None:
    """Print a line for each review, oldest first."""
    reviews = list(log.reviews.values())
    if as_json:
        say_json([found._asdict() | {"asked": found.asked.model_dump()} for found in reviews])
    elif reviews:
        say_table([describe(review) for review in reviews])
    else:
        print("no review was asked for; promotion.mode in params.yaml says whether one is")


def describe(review: Review) -> dict[str, str]:
    """One review in a line."""
    said = review.note if review.by else f"until {review.asked.until:%Y-%m-%d %H:%M} UTC"
    asked = {"version": review.version, "as of": f"{review.asked.as_of:%Y-%m-%d}"}
    return asked | {"review": review.outcome, "by": review.by or "-", "note": said}


if __name__ == "__main__":
    from flows.cli import main

    main("review")
