"""How each source was read last: it is shown to people, and nothing hangs on it."""

from contextlib import suppress
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ValidationError

from tasks.core.errors import InputError
from tasks.core.store import store

FOLDER = "sources"  # of the store


class Reading(BaseModel):
    """When a source was read last, and what hindered it."""

    read_at: AwareDatetime
    trouble: str = ""


def note_reading(name: str, trouble: str = "") -> None:
    """Note that a source was read, or what hindered it, where the store can be written."""
    with suppress(InputError):
        noted = Reading(read_at=datetime.now(UTC), trouble=trouble)
        store().put(f"{FOLDER}/{name}.json", noted.model_dump_json().encode())


def find_reading(name: str) -> Reading | None:
    """How a source was read last; None if it never was.

    Raises:
        StoreError: The store cannot be read.
    """
    content = store().find(f"{FOLDER}/{name}.json")
    with suppress(ValidationError):
        return Reading.model_validate_json(content) if content else None
    return None
