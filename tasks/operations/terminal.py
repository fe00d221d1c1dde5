"""What all commands share: the workspace, columns on a terminal, one sentence where something is wrong, Ctrl-C."""

import json
import logging
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from tasks.core.errors import InputError, escape_controls, exit_on_input_error
from tasks.core.workspace import CODE

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, systemd or timeout, a terminal that was closed
STOPPED = 128  # and the number of the signal: the exit code of a process that one of them ended


def enter_workspace() -> None:
    """Work in the workspace that the current folder is in, unless WORKSPACE names one, wherever the command was typed.

    Raises:
        InputError: The folder belongs to another clone of the starter, with code of its own.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise InputError("the folder that you are in was removed: change into another") from None
    found = next((folder for folder in (here, *here.parents) if (folder / "params.yaml").is_file()), None)
    if os.environ.get("WORKSPACE"):
        os.environ["WORKSPACE"] = str(Path(os.environ["WORKSPACE"]).resolve())
    elif found and found != CODE.resolve() and (found / "flows" / "cli.py").is_file():
        raise InputError(f"{found} has code of its own: use {found}/.venv/bin/ml there, or set WORKSPACE")
    elif found:
        os.environ["WORKSPACE"] = str(found)
    os.environ["PWD"] = str(here)  # where the command was typed
    os.chdir(CODE)  # Prefect reads its settings, pyproject.toml and .env, from here


def open_closed_streams() -> None:
    """Open the standard streams that this process was begun without: what it starts writes to them, too."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


@contextmanager
def told_plainly() -> Generator[None]:
    """Whatever ends a command early is one sentence on standard error, and a signal that ends it a line."""
    stopped = 0

    def stop(number: int, _: object) -> None:
        nonlocal stopped
        stopped = STOPPED + number
        for each in ENDS:
            signal.signal(each, signal.SIG_IGN)
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write("stopped; what is on record stands\n")
            silence(sys.stderr)
        end_with_temporary_server(stopped)
        raise KeyboardInterrupt

    for each in ENDS:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(each, stop)
    open_closed_streams()
    try:
        with exit_on_input_error():
            yield
    except BrokenPipeError:  # the reader, such as head, had enough
        silence(sys.stdout)
    except BaseException:
        if stopped:
            sys.exit(stopped)
        raise


def require_prefect_home() -> None:
    """Say at once that a temporary Prefect server would find no place; its start would be waited for in vain.

    Raises:
        InputError: There is no server, and PREFECT_HOME is no folder that can be written.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    if PREFECT_API_URL.value():
        return
    home = PREFECT_HOME.value()
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    if not (home.is_dir() and os.access(home, os.W_OK)):
        raise InputError(f"Prefect cannot write to {home}: set PREFECT_HOME to a folder that can be written")


def end_with_temporary_server(code: int) -> None:
    """End at once where the run has a server of its own, and that server, too; Prefect would wait minutes for it."""
    if module := sys.modules.get("prefect.server.api.server"):
        server = module.SubprocessASGIServer()  # the only one of this process
        if server.server_process:
            server.stop()
            os._exit(code)


def silence(stream: TextIO) -> None:
    """Let nothing more come out of a stream."""
    stream.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class PlainLines(logging.Formatter):
    """A message alone, in which nothing moves the cursor or colours the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(escape_controls, record.getMessage().split("\n")))


def show_own_lines() -> None:
    """Of the logs of runs a terminal shows what our code prints, as it is; the Prefect UI has all of them.

    Prefect's temporary server, which is started later, logs nothing there: what its end interrupts has a traceback.
    """

    def is_ours(record: logging.LogRecord) -> bool:
        place = Path(record.pathname)
        return place.is_relative_to(CODE / "tasks") or place.is_relative_to(CODE / "flows")

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(is_ours)
    handler.setFormatter(PlainLines())
    logging.getLogger().handlers = [handler]
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def say(*lines: str) -> None:
    """Print lines in which nothing moves the cursor, colours the terminal or begins another line."""
    print("\n".join(map(escape_controls, lines)))


def say_json(found: Any) -> None:
    """Print what a machine reads."""
    print(json.dumps(found, indent=2, default=str))


def say_table(rows: list[dict[str, str]]) -> None:
    """Print aligned columns under their names, which are bold on a terminal."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    shown = [[escape_controls(cell) for cell in line] for line in cells]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in shown]
    head = f"\033[1m{lines[0]}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else lines[0]
    print("\n".join([head, *lines[1:]]))
