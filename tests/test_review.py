"""Human review on a real server: the run waits suspended, and every way to answer leaves the right record."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from stacks import flow, running_stack, runs, states, wait_for

from tasks.stack import free_port

pytestmark = [pytest.mark.server, pytest.mark.slow]

HELD = "review/on-request"
REVIEW = {"PARAMS_PROMOTION__MODE": "review"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("review") / "workspace", **REVIEW) as environment:
        yield environment


def train(environment, as_of: str, **variables: str) -> str:
    return flow(environment | variables, "flows.train", "--as-of", as_of)


def wait_until_held(environment, version: str) -> str:
    """The id of the suspended run that asks about a version."""

    def held() -> list[str]:
        return [
            run["id"]
            for run in runs(environment, HELD)
            if run["state"] == "Suspended" and run["parameters"].get("version") == version
        ]

    wait_for(lambda: bool(held()))
    return held()[0]


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
    lines = flow(environment, "flows.review").splitlines()
    return {line.split()[1].rstrip(","): line.split("  ")[1] for line in lines if line.startswith("version")}


def test_no_answer_in_time_fails_the_run_and_is_recorded_by_the_next_flow(stack):
    assert "version 1 waits for a person" in train(stack, "2013-04-01", PARAMS_PROMOTION__PATIENCE="40s")
    wait_for(lambda: states(stack, HELD) == ["Failed"])
    train(stack, "2013-04-01")
    assert reviews(stack)["1"].startswith("expired by nobody")


def test_the_form_needs_a_name_and_of_two_answers_at_once_one_counts(stack):
    train(stack, "2013-04-02")
    run = wait_until_held(stack, "2")
    assert "name" in resume(stack, run)
    assert "is not one of" in resume(stack, run, decision="maybe", name="Ada", note="?")
    with ThreadPoolExecutor() as people:
        answers = [people.submit(resume, stack, run, decision="reject", name=who, note="no") for who in ("Ada", "Bob")]
    assert [answer.result() for answer in answers].count("ACCEPT") == 1
    wait_for(lambda: states(stack, HELD)[-1] == "Completed")
    assert reviews(stack)["2"] in ("rejected by Ada: no", "rejected by Bob: no")


def test_the_command_answers_too_and_an_approval_is_refused_once_the_champion_changed(stack):
    train(stack, "2013-04-03")
    older = wait_until_held(stack, "3")
    train(stack, "2013-04-04")
    newer = wait_until_held(stack, "4")
    assert "approved by Ada: fine" in flow(stack, "flows.review", "4", "approve", "fine", "--name", "Ada")
    assert {run["id"]: run["state"] for run in runs(stack, HELD)}[newer] == "Completed"
    assert "was approved already by Ada" in flow(stack, "flows.review", "4", "reject", "no", code=1)
    assert resume(stack, older, decision="approve", name="Bob", note="fine too") == "ACCEPT"
    wait_for(lambda: {run["id"]: run["state"] for run in runs(stack, HELD)}[older] == "Completed")
    refused = reviews(stack)["3"]
    assert refused.startswith("refused by Bob") and "the champion of late-arrivals is version 4 now" in refused


def test_the_question_outlives_server_and_worker(tmp_path):
    workspace, port = tmp_path / "workspace", free_port()
    with running_stack(workspace, port, **REVIEW) as environment:
        train(environment, "2013-04-01")
        run = wait_until_held(environment, "1")
    with running_stack(workspace, port, **REVIEW) as environment:
        assert resume(environment, run, decision="approve", name="Ada", note="after the restart") == "ACCEPT"
        wait_for(lambda: states(environment, HELD) == ["Completed"])
        assert reviews(environment) == {"1": "approved by Ada: after the restart"}
        assert "promoted in place of version none by Ada: after the restart" in flow(environment, "flows.audit", "1")
