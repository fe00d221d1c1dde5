"""Work that only one process may do at a time."""

from collections.abc import Generator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from tasks.core.errors import InputError, first_line
from tasks.core.workspace import workspace


@contextmanager
def exclusive(what: str, seconds: float = 3600) -> Generator[None]:
    """Hold a lock of this machine; while another process holds it, say so and wait.

    Args:
        what: What is done; it names the lock file, too.
        seconds: How long to wait.

    Raises:
        InputError: The other process did not end in time.
    """
    folder = workspace().locks
    lock = FileLock(folder / f"{what.replace(' ', '-')}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another {what} is running: waiting for its end")
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise InputError(f"another {what} has been running for {seconds:g} s: end it first") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {first_line(error)}; look at its permissions") from None
    try:
        yield
    finally:
        lock.release()
