"""What the Prefect server runs next, where one is known and answers."""

import os
from pathlib import Path
from typing import NamedTuple

from tasks.core.workspace import CODE

SHOWN = 6


class NextRun(NamedTuple):
    """A run that a schedule has planned."""

    at: str
    deployment: str
    run: str


def knows_server() -> bool:
    """Whether a Prefect server is set anywhere; seconds faster than asking Prefect."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    places = [CODE / ".env", CODE / "prefect.toml", home / "profiles.toml"]
    return bool(os.environ.get("PREFECT_API_URL")) or any(
        "PREFECT_API_URL" in place.read_text(errors="replace") for place in places if place.is_file()
    )


def next_runs() -> list[NextRun] | None:
    """The next scheduled runs, the soonest first; None without a server that answers."""
    if not knows_server():
        return None
    import httpx

    from tasks.core.events import server_answers

    try:
        return read_planned() if server_answers() else None
    except httpx.HTTPError:  # such as a refused password
        return None


def read_planned() -> list[NextRun]:
    """The next run of each deployment of this project."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    from tasks.operations.sync import is_ours

    planned = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}})
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=planned, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=200)
        names = {deployment.id: deployment.name for deployment in client.read_deployments() if is_ours(deployment)}
    found: dict[str, NextRun] = {}
    for run in runs:
        name = names.get(run.deployment_id)
        if name and run.expected_start_time:
            found.setdefault(name, NextRun(f"{run.expected_start_time:%Y-%m-%d %H:%M}", name, run.name))
    return list(found.values())[:SHOWN]
