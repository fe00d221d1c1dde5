"""The progress bar of a run in the Prefect UI."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import flow_run

Show = Callable[..., None]  # show(step, percent=0): which step the run is at, and how much of it is done


@contextmanager
def progress_bar(model: str, step: str) -> Generator[Show]:
    """A progress bar of the running flow of a model, full at the end; outside of a run there is none.

    Args:
        model: Its name.
        step: The first one.
    """
    bar, key = None, f"{model}-{flow_run.flow_name}-progress"
    with suppress(httpx.HTTPError):  # the work goes on where its picture cannot
        bar = create_progress_artifact(0.0, key=key, description=step) if flow_run.id else None

    def show(step: str, percent: float = 0) -> None:
        nonlocal bar
        if not isinstance(bar, UUID):
            return
        try:
            update_progress_artifact(bar, percent, description=step)
        except httpx.HTTPError:
            bar = None  # waited for once

    yield show
    show("done", 100)
