"""Prefect events; docs/events.md lists them."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tasks.core.errors import InputError, StoreError

ANSWERS_IN = 5  # seconds, of a server that is well
STALL = 150  # seconds: a Prefect server on SQLite was seen to stand still for one and for two busy timeouts of 60 s
HANGING: set[str] = set()  # servers that were waited for in vain: later events of this process do not wait again


def announce(event: str, subject: str, **payload: Any) -> None:
    """Emit an event if there is a Prefect server, one that stands still is waited for. The fact is already recorded.

    Args:
        event: Past tense, such as data.drifted.
        subject: What it happened to, such as model.NAME.ENTRY or data.TABLE.
        payload: The news; model or table is also a label of the resource: a trigger hears one at a time of each.
    """
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        return
    if not reaches_server(event):
        print(f"the Prefect server does not answer, so {event} is not sent; the fact is on record")
        return
    from prefect.events import emit_event

    labels = {"prefect.resource.id": subject, "prefect.resource.name": subject}
    labels |= {name: payload[name] for name in ("model", "table") if name in payload}
    emit_event(event=event, resource=labels, payload=payload)


def reaches_server(what: str) -> bool:
    """Whether there is a server that answers; one that stands still is waited for, once in vain.

    Args:
        what: That is to be told to it, for the line that says who waits.
    """
    from prefect.settings import PREFECT_API_URL

    if not (server := PREFECT_API_URL.value()):
        return False
    trouble = server_trouble()
    if stands_still(trouble) and server not in HANGING:
        print(f"the Prefect server stands still: {what} waits for it, for up to {STALL} s; the fact is on record")
        trouble = server_trouble(STALL)
    (HANGING.add if stands_still(trouble) else HANGING.discard)(server)
    return trouble is None


def server_answers() -> bool:
    """Whether the server at PREFECT_API_URL is up and accepts our credentials; answers within seconds."""
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value()) and server_trouble() is None


def server_trouble(seconds: float = ANSWERS_IN) -> Exception | None:
    """Why the server at PREFECT_API_URL does not answer, or not us, within `seconds`; None where it does."""
    import httpx
    from prefect.client.orchestration import get_client  # a rollback in a hurry does not wait for these
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    timeout = httpx.Timeout(seconds, connect=ANSWERS_IN)
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings={"timeout": timeout}) as client,
    ):
        return client.api_healthcheck()


def stands_still(trouble: Exception | None) -> bool:
    """Whether a server took the question and has not answered it yet."""
    import httpx

    return isinstance(trouble, httpx.ReadTimeout)


@contextmanager
def rejections_announced(subject: str) -> Generator[None]:
    """Emit data.rejected when data cannot be used."""
    try:
        yield
    except StoreError:
        raise
    except InputError as error:
        announce("data.rejected", subject, reason=str(error))
        raise
