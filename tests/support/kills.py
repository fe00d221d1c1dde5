"""Death at a chosen state of the work, instead of after so many seconds: a slow machine dies at the same place."""

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import NamedTuple

processes = multiprocessing.get_context("forkserver")  # it has imported everything once and forks for each process
processes.set_forkserver_preload([f"flows.{name}" for name in ("train", "promote", "rollback", "ingest")])


def run_together(work: Callable[..., None], calls: Iterable[tuple]) -> list[int | None]:
    """The exit codes of processes that do the same work at once, one for each tuple of arguments."""
    started = [processes.Process(target=work, args=call) for call in calls]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


class State(NamedTuple):
    """Before or after the n-th call of a function."""

    function: str  # module:name, or module:class.name
    call: int = 1
    when: str = "before"


def both(function: str, call: int = 1) -> list[State]:
    """Right before and right after a call."""
    return [State(function, call, "before"), State(function, call, "after")]


def die_at(state: State) -> None:
    """Let this process end by SIGKILL when its work gets to a state."""
    module, _, path = state.function.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, import_module(module))
    work, counts = getattr(owner, name), {"before": 0, "after": 0}

    def come_to(when: str) -> None:
        counts[when] += 1
        if when == state.when and counts[when] == state.call:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(work)
    def counted(*arguments, **named):
        come_to("before")
        result = work(*arguments, **named)
        come_to("after")
        return result

    setattr(owner, name, counted)
