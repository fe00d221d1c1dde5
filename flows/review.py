"""Ask a person whether a challenger becomes champion: python -m flows.review [VERSION approve|reject NOTE]"""

import argparse

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params, Prefilled
from tasks.core.provenance import who
from tasks.operations.naming import name_run
from tasks.operations.review_form import asked_version, describe_review, end_holder, take_review
from tasks.registry.decision_log import EventId, read_log
from tasks.registry.entries import VersionNumber
from tasks.registry.review import Decision, answer_review, settle_reviews


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
        print("no review waits to be asked")
        return
    if waiting.outcome == "pending":
        form = Answer.with_initial_data(description=describe_review(log, waiting))
        answer = suspend_flow_run(wait_for_input=form, timeout=waiting.seconds_left)
        waiting = answer_review(params.model, waiting.version, answer.decision, answer.name, answer.note, params.clock)
    print(f"version {waiting.version} was {waiting.outcome} by {waiting.by}: {waiting.note}")


def answer_here(model: str | None, version: str, decision: Decision, note: str, name: str) -> None:
    """Answer without the form; needs no Prefect server."""
    params = Params.load(model)
    answered = answer_review(params.model, version, decision, name, note, params.clock)
    end_holder(answered)
    print(f"version {version} was {answered.outcome} by {answered.by}: {answered.note}")


def list_reviews(model: str | None) -> None:
    """A line for each review, oldest first."""
    reviews = read_log(Params.load(model).model).reviews
    for found in reviews.values():
        answer = f"by {found.by}: {found.note}" if found.by else f"until {found.asked.until:%Y-%m-%d %H:%M} UTC"
        print(f"version {found.version}, as of {found.asked.as_of:%Y-%m-%d}  {found.outcome} {answer}")
    if not reviews:
        print("no review was asked for; promotion.mode in params.yaml says whether one is")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.review", description=__doc__)
    parser.add_argument("version", nargs="?")
    parser.add_argument("decision", nargs="?", choices=["approve", "reject"])
    parser.add_argument("note", nargs="?", default="", help="why; it goes on the record")
    parser.add_argument("--name", default=who(), help="who answers, if not this account")
    parser.add_argument("--model", help="its name in project/")
    given = parser.parse_args()
    if given.version and not (given.decision and given.note):
        parser.error("an answer needs all three: VERSION approve|reject NOTE")
    with exit_on_input_error():
        if given.version:
            answer_here(given.model, given.version, given.decision, given.note, given.name)
        else:
            list_reviews(given.model)
