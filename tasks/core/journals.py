"""Files that an endpoint writes to and holds; their names end with `.part` until they are finished."""

import fcntl
from contextlib import suppress
from pathlib import Path

PART = ".part"


def complete(path: Path) -> None:
    """Finish a file: it loses its ending; one that holds nothing is removed."""
    with suppress(FileNotFoundError):
        if path.stat().st_size:
            path.rename(path.with_suffix(""))
        else:
            path.unlink()


def recover(folder: Path, prefix: str = "") -> None:
    """Finish what processes left in a folder that are gone."""
    for path in folder.glob(f"{prefix}*.jsonl{PART}"):
        with suppress(BlockingIOError, FileNotFoundError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(file.read().rfind(b"\n") + 1)  # a torn last line was never answered
            complete(path)
