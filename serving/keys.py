"""Who may ask: an endpoint that others can reach needs keys."""

import hmac
import os
import re
from ipaddress import ip_address
from typing import NamedTuple

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.refusal import refuse
from tasks.core.errors import InputError

VARIABLE = "SERVE_API_KEYS"
ROWS_VARIABLE = "SERVE_ROWS_KEYS"  # of who may send rows of tables: they become training data
SHORTEST = 16  # characters
PORT = re.compile(r":\d+$")  # at the end of an address


class Keys(NamedTuple):
    """Who may do what; without a key anybody may who reaches the address."""

    ask: list[bytes]
    send_rows: list[bytes] | None  # None: nobody


def read_keys(host: str) -> Keys:
    """The keys of the variables.

    Raises:
        InputError: The address can be reached by others and there is none, or one is easily guessed.
    """
    ask, send_rows = read_variable(VARIABLE), read_variable(ROWS_VARIABLE)
    if not ask and not is_loopback(host):
        raise InputError(f"{host} can be reached by others: set {VARIABLE} to one or more keys, separated by commas")
    return Keys(ask, send_rows or (None if ask else []))


def read_variable(name: str) -> list[bytes]:
    """The keys of a variable, separated by commas: several while one replaces another."""
    keys = [key.strip() for key in os.environ.get(name, "").split(",") if key.strip()]
    if any(len(key) < SHORTEST or not key.isascii() for key in keys):
        raise InputError(
            f"a key of {name} has fewer than {SHORTEST} characters, or others than ASCII: make one with "
            "`openssl rand -hex 32`"
        )
    return [key.encode() for key in keys]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_key(request: Request, keys: list[bytes]) -> None:
    """Refuse a request without one of the keys, given as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    if not keys:
        return
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
    found = [hmac.compare_digest(given.encode(), key) for key in keys]  # all of them, whichever fits
    if not any(found):
        raise refuse(401, "api_key", "give a valid key, as X-API-Key or as Authorization: Bearer")


class OnlyThisHost:
    """Refuses what names another host: a page of elsewhere whose name was pointed at this machine."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self.app, self.names = app, {"127.0.0.1", "localhost", "[::1]", host, f"[{host}]"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        name = PORT.sub("", headers.get(b"host", b"").decode("latin-1"))
        if scope["type"] == "http" and name not in self.names:
            refusal = refuse(400, "host", "the header Host names another host than this one")
            await Response(refusal.body, refusal.status, media_type="application/json")(scope, receive, send)
        else:
            await self.app(scope, receive, send)
