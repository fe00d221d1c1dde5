"""A user's mistake is told in one sentence, never as a traceback."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager


class InputError(Exception):
    """What the user gave cannot be used; the message names it and the fix."""


@contextmanager
def told_in_one_sentence() -> Generator[None]:
    """Turn an InputError into exit code 1 and its sentence on standard error."""
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], InputError):
        record.exc_info = None
    return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_logger).addFilter(_without_traceback)
