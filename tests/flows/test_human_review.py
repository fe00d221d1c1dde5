"""Human review on a real server: the run waits suspended, and every way to answer leaves the right record."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prefect.states import Suspended
from stacks import client_of, flow, python, restart, running_stack, runs, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]

HELD = "review/review-on-request"
TELL_UNTIL = (
    "from tasks.registry.decision_log import read_log; print(read_log('late-arrivals').reviews['1'].asked.until)"
)
TELL_HOLDER = (
    "from tasks.registry.decision_log import read_log; reviews = read_log('late-arrivals').reviews; "
    "print(reviews['{0}'].holder if '{0}' in reviews else '')"
)
SETTLE_FIRST = (
    "from tasks.registry import review; review.is_over = lambda asked: asked.version == '1'; "
    "review.settle_reviews('late-arrivals')"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack in review mode, whose version 1 waits for an answer that never comes."""
    workspace = tmp_path_factory.mktemp("review") / "workspace"
    with running_stack(workspace, PARAMS_PROMOTION__MODE="review") as environment:
        assert "version 1 waits for a person" in train(environment, "2013-04-01")
        yield environment


def train(environment, as_of: str, **variables: str) -> str:
    return flow(environment | variables, "flows.train", "--as-of", as_of)


def wait_until_held(environment, version: str) -> str:
    """The id of the suspended run that asks about a version."""

    def held() -> str:
        holder = python(environment, TELL_HOLDER.format(version)).strip()
        return holder if holder and state_of(environment, holder) == "Suspended" else ""

    wait_for(lambda: bool(held()))
    return held()


def let_pass(environment, run: str) -> None:
    """Let the time for an answer be over, for the suspended run and for who settles reviews, which agree about it."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    until = python(environment, TELL_UNTIL).strip()
    with client_of(environment) as client:
        expires = client.read_flow_run(run).state.state_details.pause_timeout
        assert abs(expires - datetime.fromisoformat(until)) < timedelta(hours=1)
        client.set_flow_run_state(run, Suspended(pause_expiration_time=past), force=True)
    python(environment, SETTLE_FIRST)


def resume(environment, run: str, **answer: str) -> str:
    """Answer as the form of the UI does; returns ACCEPT, or why not."""
    api = environment["PREFECT_API_URL"]
    with httpx.Client() as browser:
        token = browser.get(f"{api}/csrf-token", params={"client": "form"}).json()["token"]
        headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "form"}
        asked = browser.post(f"{api}/flow_runs/{run}/resume", json={"run_input": answer}, headers=headers)
    return "ACCEPT" if asked.is_success and asked.json()["status"] == "ACCEPT" else asked.text


def reviews(environment) -> dict[str, str]:
    """What is on record of each version."""
    found = json.loads(flow(environment, "flows.review", "--json"))
    return {review["asked"]["version"]: f"{review['outcome']} by {review['by']}: {review['note']}" for review in found}


def test_the_question_outlives_server_and_worker_and_of_two_answers_at_once_one_counts(stack):
    train(stack, "2013-04-02")
    run = wait_until_held(stack, "2")
    restart(stack)
    assert "name" in resume(stack, run)
    assert "is not one of" in resume(stack, run, decision="maybe", name="Ada", note="?")
    with ThreadPoolExecutor() as people:
        answers = [people.submit(resume, stack, run, decision="reject", name=who, note="no") for who in ("Ada", "Bob")]
    assert [answer.result() for answer in answers].count("ACCEPT") == 1
    wait_for(lambda: state_of(stack, run) == "Completed")
    assert reviews(stack)["2"] in ("rejected by Ada: no", "rejected by Bob: no")


def test_no_answer_in_time_fails_the_run_and_is_recorded(stack):
    run = wait_until_held(stack, "1")
    let_pass(stack, run)
    wait_for(lambda: state_of(stack, run) == "Failed")
    assert reviews(stack)["1"].startswith("expired by nobody")


def test_the_command_answers_too_and_an_approval_is_refused_once_the_champion_changed(stack):
    train(stack, "2013-04-03")
    older = wait_until_held(stack, "3")
    train(stack, "2013-04-04")
    newer = wait_until_held(stack, "4")
    assert "approved by Ada: fine" in flow(stack, "flows.review", "4", "approve", "fine", "--name", "Ada")
    assert state_of(stack, newer) == "Completed"
    assert "was approved already by Ada" in flow(stack, "flows.review", "4", "reject", "no", code=1)
    assert resume(stack, older, decision="approve", name="Bob", note="fine too") == "ACCEPT"
    wait_for(lambda: state_of(stack, older) == "Completed")
    refused = reviews(stack)["3"]
    assert refused.startswith("refused by Bob") and "the champion of late-arrivals is version 4 now" in refused
    steps = json.loads(flow(stack, "flows.audit", "4", "--json"))["history"]
    assert [step["what"].split()[0] for step in steps] == ["trained", "review", "review", "promoted"]
    assert "promoted in place of version none by Ada: fine" in flow(stack, "flows.audit", "4")
    listed = json.loads(flow(stack, "flows.audit", "--json"))
    assert [version["review"] for version in listed] == ["expired", "rejected", "refused", "approved"]


def state_of(environment, run: str) -> str:
    return next(found["state"] for found in runs(environment, HELD) if found["id"] == run)
