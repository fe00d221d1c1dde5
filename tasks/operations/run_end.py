"""How a run ends: Completed under a name that says what came of it, and one page that shows why."""

from contextlib import suppress
from typing import TypeVar, cast

import httpx
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed

from tasks.monitoring.window import WindowCheck
from tasks.operations.markdown import BAD, GOOD, LOOK, NOTHING, home_link, inert
from tasks.registry.state import Log
from tasks.registry.versions import Challenger

Result = TypeVar("Result")
MARKS = {
    **dict.fromkeys(("Promoted", "Approved", "InOrder", "Scored", "Landed", "Consumed", "Replayed", "Tidied"), GOOD),
    **dict.fromkeys(("Rejected", "Degraded", "DataRejected"), BAD),
    **dict.fromkeys(
        ("Pending", "NotPromoted", "Drifted", "RolledBack", "Expired", "Refused", "SetAside", "Late"), LOOK
    ),
}


def end_as(name: str, message: str, result: Result, page: str = "", model: str = "") -> Result:
    """End the run of a flow as Completed with a name of its own; returns what its caller gets.

    Args:
        name: What came of it, such as Promoted; docs/events.md lists them.
        message: Why, in one line.
        result: Prefect gives it to whoever called the flow as a function; without Prefect it is all that is returned.
        page: Markdown that shows more.
        model: That it was about.
    """
    if not flow_run.id:
        return result
    told = inert(message, 500)
    key = "-".join(part for part in (model, flow_run.flow_name) if part)
    title = " ".join(part for part in (MARKS.get(name, NOTHING), name, model) if part)
    with suppress(httpx.HTTPError):  # what it shows is on record
        create_markdown_artifact("\n\n".join((told, page, home_link())), key=key, description=title)
    return cast(Result, Completed(name=name, message=told, data=result))


def name_training(before: Log, after: Log, challenger: Challenger) -> tuple[str, str]:
    """The name for the end of a training with a verdict, and why.

    Args:
        before: What was on record when it began.
        after: What is on record now.
        challenger: What it found or made.
    """
    version, verdict = challenger.version, challenger.verdict
    if any(move.version == version for move in after.moves[len(before.moves) :]):
        return "Promoted", f"version {version}: {verdict.reason}"
    if version in before.versions:
        stands = after.reviews[version].outcome if version in after.reviews else verdict.decision
        return "NothingNew", f"nothing new since version {version} was trained: it stands, {stands}"
    if verdict.decision == "promote":
        why = f"the champion is version {after.champion()}: it changed meanwhile, or this is a replay"
        return "NotPromoted", f"version {version} passed the gate, but {why}"
    return {"reject": "Rejected", "pending": "Pending"}[verdict.decision], f"version {version}: {verdict.reason}"


def name_check(check: WindowCheck) -> tuple[str, str]:
    """The name for the end of a window check, the worst first, and what was found."""
    degraded = check.quality is not None and check.quality.degraded
    name = "DataRejected" if check.rejected else "Degraded" if degraded else "Drifted" if check.alarm else "InOrder"
    return name, str(check)
