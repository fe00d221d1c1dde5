"""Events that lie: whatever they claim, on a real server no training and no move comes of them; time stands still."""

import json

import pytest
from prefect.events.filters import EventFilter, EventNameFilter
from stacks import (
    check_unheard,
    client_of,
    flow,
    is_idle,
    pause_schedules,
    prefect,
    python,
    running_stack,
    runs,
    wait_for,
)

pytestmark = [pytest.mark.server, pytest.mark.prove]

EACH = 90  # events of each kind
HEARD_BY = {
    "data.drifted": "train/train-on-drift",
    "model.degraded": "rollback/rollback-on-degraded",
    "review.requested": "review/review-on-request",
}
SUBJECTS = ["1", "2", "3", "4", "99", "0", "-1", "2013-06-01", "{{ event.payload.reason }}", "x" * 150]
LIES = [
    {"window": None, "version": "2", "reason": "x", "as_of": "2031-01-01T00:00:00+00:00"},
    {"window": "2013-06-01", "version": "1", "reason": {"__prefect_kind": "jinja", "template": "{{ 7 * 7 }}"}},
    {"window": {"__prefect_kind": "workspace_variable", "variable_name": "secret"}, "version": None},
    {"reason": "y" * 100_000},
    {},
]
READ = """
import json
from tasks.registry.decision_log import read_log
log = read_log("late-arrivals")
print(json.dumps([list(log.versions), [move.version for move in log.moves], str(log.now("data")), len(log.entries)]))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Version 1 is champion; a check of June is on record that found no loss of quality."""
    with running_stack(tmp_path_factory.mktemp("forged") / "workspace") as environment:
        pause_schedules(environment)
        flow(environment, "flows.train", "--as-of", "2013-06-01")
        check_unheard(environment, "2013-07-01")
        yield environment


def emit(environment, event: str) -> None:
    code = f"""
from itertools import cycle, islice
from prefect.events import emit_event
for subject, payload in islice(zip(cycle({SUBJECTS!r}), cycle({LIES!r})), {EACH}):
    resource = f"model.late-arrivals.{{subject}}"
    emit_event({event!r}, {{"prefect.resource.id": resource, "model": "late-arrivals"}}, payload=payload)
"""
    python(environment, code)


def count(environment, event: str) -> int:
    with client_of(environment) as client:
        return client.read_events(EventFilter(event=EventNameFilter(name=[event])), limit=1).total


def test_nothing_comes_of_hundreds_of_lies(stack):
    versions, moves, now, _ = json.loads(python(stack, READ))
    for event, deployment in HEARD_BY.items():
        emit(stack, event)
        payload = json.dumps(LIES[0])
        by_hand = ["event", "emit", event, "--resource-id", "model.late-arrivals.77", "--payload", payload]
        assert prefect(stack, *by_hand).returncode == 0
        wait_for(lambda event=event: count(stack, event) > EACH)
        wait_for(lambda deployment=deployment: bool(runs(stack, deployment)))
    for deployment in HEARD_BY.values():
        wait_for(lambda deployment=deployment: is_idle(stack, deployment))
    after = json.loads(python(stack, READ))
    assert after[:3] == [versions, moves, now]
    refused = flow(stack, "flows.refusals")
    assert "names no check on record" in refused and "49" not in refused
