"""Progress bars in the Prefect UI."""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import flow_run


def start_progress(model: str, what: str) -> Callable[[float], None]:
    """A progress bar of the running flow of a model; returns what moves it, in percent. Outside a run there is none."""
    bar = None
    with suppress(httpx.HTTPError):  # the work goes on where its picture cannot
        bar = create_progress_artifact(0.0, key=f"{model}-{what.lower()}", description=what) if flow_run.id else None

    def move(percent: float) -> None:
        nonlocal bar
        if not isinstance(bar, UUID):
            return
        try:
            update_progress_artifact(bar, percent)
        except httpx.HTTPError:
            bar = None  # waited for once

    return move
