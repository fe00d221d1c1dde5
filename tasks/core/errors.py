"""A user's mistake ends with one sentence, never a traceback."""

import errno
import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager

FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = ("No space left on device", "database or disk is full", "disk I/O error")


class InputError(Exception):
    """What the user gave cannot be used; the message names it and the fix."""


class DataError(InputError):
    """A file or rows cannot be used; other files and tables can."""


class StoreError(InputError):
    """The store cannot be used: nothing is wrong with the data."""


def first_line(error: BaseException) -> str:
    """What an error of a library or of the user's code says, in its first line."""
    return next(iter(str(error).strip().splitlines()), "")


def without_secrets(text: str) -> str:
    """The text without user, password and query of an address."""
    return re.sub(r"\?\S*", "", re.sub(r"//\S*@", "//", text))


def counted(number: int, one: str, more: str = "") -> str:
    """1 row, or 2 rows."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def escape_controls(text: str) -> str:
    """The text on one line, and nothing in it moves the cursor or colours the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def tell(error: Exception) -> str | None:
    """One sentence for the user; None if only a traceback tells what went wrong."""
    if isinstance(error, InputError):
        return str(error)
    if any(words in str(error) for words in FULL):
        return "the disk is full: free some space and run it again; what is on record stands"
    if isinstance(error, OSError) and error.errno in FORBIDDEN and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}; look at its permissions"
    if isinstance(error, PermissionError):
        return f"{first_line(error)}: look at its permissions"
    if "ephemeral Prefect API server" in str(error):
        return "Prefect's temporary server did not start: is PREFECT_HOME, or HOME, a folder that can be written?"
    kinds = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if "httpx" in kinds or "Failed to reach API" in str(error):
        return tell_server(error)
    if "pydantic_core" in kinds and "PREFECT_" in str(error).upper():
        return f"a PREFECT_ setting cannot be used: {without_secrets(' '.join(str(error).split()))[:200]}"
    return None


def tell_server(error: Exception) -> str:
    """Why the Prefect server did not do what it was asked."""
    from prefect.settings import PREFECT_API_URL

    server = f"the Prefect server at {without_secrets(str(PREFECT_API_URL.value()))} (PREFECT_API_URL)"
    answer = getattr(error, "response", None)
    if answer is None:
        return f"{server} does not answer: start it (`ml up`), or correct or unset the variable"
    if answer.status_code in (401, 403):
        return f"{server} does not know us: set PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
    return f"{server} answers {answer.status_code}: see its log"


@contextmanager
def exit_on_input_error() -> Generator[None]:
    """End the process with exit code 1 and one sentence on standard error, if no programming error is the cause."""
    try:
        yield
    except Exception as error:
        sentence = tell(error)
        if sentence is None:
            raise
        sys.exit("error: " + "\n       ".join(map(escape_controls, sentence.split("\n"))))


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], InputError):
        record.exc_info = None
    return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_logger).addFilter(_without_traceback)
