"""Events of an endpoint, sent to the API of a Prefect server without its client, which would double the image."""

import json
import os
import urllib.request
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from uuid import uuid4

from tasks.core.events import STALL


def post_event(event: str, model: str, **payload: Any) -> None:
    """Send an event of a model beside all else, if PREFECT_API_URL names a server. Best effort: /ready tells it, too.

    Args:
        event: Its name, such as endpoint.troubled.
        model: Whose endpoint it is about.
        payload: The news.
    """
    server = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if urlsplit(server).scheme not in ("http", "https"):
        return
    subject = f"endpoint.{model}"
    resource = {"prefect.resource.id": subject, "prefect.resource.name": subject, "model": model}
    now = datetime.now(UTC).isoformat()
    news = {
        "id": str(uuid4()),
        "event": event,
        "occurred": now,
        "resource": resource,
        "payload": {"model": model, **payload},
    }
    Thread(target=deliver, args=(server, news), daemon=True).start()


def deliver(server: str, news: dict[str, Any]) -> None:
    """Bring an event to a server; one that does not answer gets none."""
    with suppress(OSError, ValueError):
        send(f"{server}/events", json.dumps([news]).encode(), headers_for(server))


def headers_for(server: str) -> dict[str, str]:
    """Who we are, and the token that a server with protection against forged requests asks for."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    elif user := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    client = str(uuid4())
    try:
        token = json.loads(send(f"{server}/csrf-token?client={client}", None, headers))["token"]
    except (HTTPError, ValueError, KeyError):  # it has no such protection
        return headers
    return headers | {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client}


def send(address: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    """What an address answers."""
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310  http or https, see above
    with urllib.request.urlopen(request, timeout=STALL) as answer:  # noqa: S310
        return answer.read()
