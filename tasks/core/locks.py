"""Work that only one process may do at a time."""

from collections.abc import Generator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from tasks.core.errors import InputError
from tasks.core.params import STORE


@contextmanager
def only_one(what: str, seconds: float = 3600) -> Generator[None]:
    """Wait, and say so, for another process of this kind to end.

    Args:
        what: It names the lock file in store/, too.
        seconds: How long to wait.

    Raises:
        InputError: The other one did not end in time.
    """
    STORE.mkdir(parents=True, exist_ok=True)
    lock = FileLock(STORE / f"{what.replace(' ', '-')}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another {what} is running: waiting for its end")
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            raise InputError(f"another {what} has been running for {seconds:g} s: end it first") from None
    try:
        yield
    finally:
        lock.release()
