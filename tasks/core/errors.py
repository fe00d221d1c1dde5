"""A user's mistake ends with one sentence, never a traceback."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager

FULL = ("No space left on device", "database or disk is full", "disk I/O error")


class InputError(Exception):
    """What the user gave cannot be used; the message names it and the fix."""


class StoreError(InputError):
    """The store cannot be used: nothing is wrong with the data."""


def first_line(error: BaseException) -> str:
    """What an error of a library or of the user's code says, in its first line."""
    return next(iter(str(error).strip().splitlines()), "")


@contextmanager
def exit_on_input_error() -> Generator[None]:
    """End the process with exit code 1 and one sentence on standard error, if the input or the disk is at fault."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if not any(words in str(error) for words in FULL):
            raise
        sys.exit("error: the disk is full: free some space and run it again; what is on record stands")


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], InputError):
        record.exc_info = None
    return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_logger).addFilter(_without_traceback)
