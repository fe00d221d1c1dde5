"""A journal: lines that are written before anything is answered, in files that others take in when they are finished.

The file that is written to ends with `.part` and is locked by its process. Once in a while it is finished: it loses
that ending, or is shipped to where it is taken in, and the next one is begun. What a killed process left is finished by
the next one that starts here.
"""

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.journals import PART, complete, recover


class Journal:
    """The journal of this process.

    Args:
        folder: Where its files lie.
        fsync: Whether sync waits for the disk.
        ship: What takes name and content of a finished file elsewhere; without it the folder is where it is taken in.
        prefix: With which the names of its files begin.
    """

    def __init__(
        self, folder: Path, fsync: bool, ship: Callable[[str, bytes], None] | None = None, prefix: str = ""
    ) -> None:
        self.folder, self.fsync, self.ship, self.prefix = folder, fsync, ship, prefix
        self._file: int | None = None
        self._path = folder
        self._begun = time.monotonic()

    def append(self, lines: bytes) -> None:
        """Write whole lines.

        Raises:
            OSError: They cannot be written; then none of them counts.
        """
        file = self._open()
        end, written = os.fstat(file).st_size, 0
        try:
            while written < len(lines):
                written += os.write(file, lines[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, end)
                if end == 0:
                    self.finish()
            raise

    @property
    def is_open(self) -> bool:
        """Whether there is a file that is written to."""
        return self._file is not None

    async def sync(self) -> None:
        """Wait until what was written is on the disk, where that is set; meanwhile the file may be finished."""
        if self.fsync and self._file is not None:
            file = os.dup(self._file)
            try:
                await asyncio.get_running_loop().run_in_executor(None, os.fsync, file)
            finally:
                os.close(file)

    def _open(self) -> int:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            now = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
            self._path = self.folder / f"{self.prefix}{now}-{socket.gethostname()}-{os.getpid()}.jsonl{PART}"
            self._file = open_locked(self._path)
            self._begun = time.monotonic()
        return self._file

    def finish(self) -> None:
        """Finish the file that is written to; the next lines begin another."""
        if self._file is not None:
            if self.fsync:
                os.fsync(self._file)
            complete(self._path)
            os.close(self._file)
            self._file = None

    async def keep(self, each: timedelta) -> None:
        """Finish and ship once in a while, for good; what cannot be shipped is tried again."""
        while True:
            await asyncio.sleep(1)
            if time.monotonic() - self._begun < each.total_seconds():
                continue
            try:
                self.finish()
                self._begun = time.monotonic()
                await asyncio.get_running_loop().run_in_executor(None, self.send)
            except Exception as error:  # whatever a client of an object store raises
                print(f"what is in {self.folder} is shipped another time: {error}", flush=True)

    def recover(self) -> None:
        """Finish what processes left that are gone."""
        recover(self.folder, self.prefix)

    def send(self) -> None:
        """Ship what is finished.

        Raises:
            Exception: Whatever shipping raises; the rest is shipped another time.
        """
        if self.ship is None:
            return
        for path in sorted(self.folder.glob(f"{self.prefix}*.jsonl")):
            with suppress(FileNotFoundError):  # another process was first
                self.ship(path.name, path.read_bytes())
                path.unlink()


def open_locked(path: Path) -> int:
    """A new file that this process holds; one that another finished before it was locked is made again."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.is_file() and path.stat().st_ino == os.fstat(file).st_ino:
            return file
        os.close(file)
