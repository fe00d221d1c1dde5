"""How far long work has come, where the Prefect UI shows it."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import task_run


def start_progress(what: str) -> Callable[[float], object]:
    """A progress bar of the running task; returns what moves it, in percent. Outside a run there is none."""
    if not task_run.id:
        return lambda percent: None
    bar = create_progress_artifact(0.0, key=what.lower(), description=what)
    assert isinstance(bar, UUID)
    return partial(update_progress_artifact, bar)
