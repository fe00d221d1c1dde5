"""What the end of a run is called."""

from datetime import UTC, datetime

import pytest

from tasks.evaluation.verdict import Check, Interval, Verdict
from tasks.monitoring.window import Quality, WindowCheck
from tasks.operations.run_end import end_as, name_check, name_training
from tasks.registry.entries import Answered, Asked, Judged, Move
from tasks.registry.state import Log
from tasks.registry.versions import Challenger

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)
FACTS = {"why": "", "judged_against": None, "key": "", "cause": "hand", "data_version": "", "sha256": "", "bundle": ""}


def judged(version: str, decision: str) -> Judged:
    return Judged(version=version, decision=decision, as_of=JUNE, digests={}, **FACTS)


def challenger(version: str, decision: str) -> Challenger:
    check = Check(name="skill", passed=decision != "reject", measured="0.1", required="at least 0.2")
    return Challenger(version, Verdict(decision=decision, checks=[check], metrics={}), None)


def move(version: str, replaces: str | None = None) -> Move:
    return Move(kind="promotion", version=version, replaces=replaces, as_of=JUNE)


ASKED = Asked(version="1", champion=None, until=JUNE, as_of=JUNE)


@pytest.mark.parametrize(
    ("decision", "before", "since", "name", "said"),
    [
        ("promote", [], [judged("1", "promote"), move("1")], "Promoted", "version 1: all 1 checks hold"),
        ("reject", [], [judged("1", "reject")], "Rejected", "version 1: skill: 0.1, required at least 0.2"),
        ("pending", [], [judged("1", "pending"), ASKED], "Pending", "version 1: all 1 checks hold"),
        ("promote", [], [judged("1", "promote")], "NotPromoted", "but the champion is version None"),
        (
            "promote",
            [],
            [judged("1", "promote"), move("1"), judged("2", "promote"), move("2", "1")],
            "Promoted",
            "version 1: all 1 checks hold",
        ),
        ("reject", [judged("1", "reject")], [], "NothingNew", "it stands, reject"),
        (
            "pending",
            [judged("1", "pending"), ASKED, Answered(version="1", outcome="expired", as_of=JUNE)],
            [],
            "NothingNew",
            "it stands, expired",
        ),
    ],
)
def test_a_training_is_called_after_what_came_of_it(decision, before, since, name, said):
    found = name_training(Log(MODEL, before), Log(MODEL, before + since), challenger("1", decision))
    assert found[0] == name and said in found[1]


def check(alarm: bool = False, gain: Interval | None = None, rejected: str | None = None) -> WindowCheck:
    quality = Quality(rows=9, metrics={"skill": 0.1}, predecessor="1", gain=gain)
    drifted = ["temp"] if alarm else []
    given = {"rows": 9, "findings": [], "missing": [], "quality": quality, "rejected": rejected}
    return WindowCheck(window="2013-06-01", version="2", drifted=drifted, alarm=alarm, **given)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (check(), "InOrder"),
        (check(alarm=True), "Drifted"),
        (check(alarm=True, gain=Interval(-0.3, -0.2, -0.1)), "Degraded"),
        (check(rejected="no rows"), "DataRejected"),
    ],
)
def test_a_check_is_called_after_the_worst_that_it_found(found, name):
    assert name_check(found) == (name, str(found))


def test_without_prefect_a_flow_gives_its_result():
    assert end_as("Scored", "7 rows", 7) == 7
