"""Prefect events; docs/events.md lists them."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tasks.core.errors import InputError, StoreError


def announce(event: str, subject: str, **payload: Any) -> None:
    """Emit an event if there is a Prefect server. Best effort: the fact is already recorded.

    Args:
        event: Past tense, such as data.drifted.
        subject: What it happened to, such as model.NAME.ENTRY or data.TABLE.
        payload: The news; model or table is also a label of the resource: a trigger hears one at a time of each.
    """
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        return
    if not server_answers():
        print(f"the Prefect server does not answer, so {event} is not sent; the fact is on record")
        return
    from prefect.events import emit_event

    labels = {"prefect.resource.id": subject, "prefect.resource.name": subject}
    labels |= {name: payload[name] for name in ("model", "table") if name in payload}
    emit_event(event=event, resource=labels, payload=payload)


def server_answers() -> bool:
    """Whether the server at PREFECT_API_URL is up and accepts our credentials; answers within seconds."""
    from prefect.client.orchestration import get_client  # a rollback in a hurry does not wait for these
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    if not PREFECT_API_URL.value():
        return False
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings={"timeout": 5}) as client,
    ):
        return client.api_healthcheck() is None


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
