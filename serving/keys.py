"""Who may ask: an endpoint that others can reach needs keys."""

import hmac
import os
from ipaddress import ip_address

from fastapi import Request

from serving.refusal import refuse
from tasks.core.errors import InputError

VARIABLE = "SERVE_API_KEYS"
SHORTEST = 16  # characters


def read_keys(host: str) -> list[bytes]:
    """The keys of SERVE_API_KEYS, separated by commas: several while one replaces another.

    Raises:
        InputError: The address can be reached by others and there is none, or one is easily guessed.
    """
    keys = [key.strip() for key in os.environ.get(VARIABLE, "").split(",") if key.strip()]
    if not keys and not is_loopback(host):
        raise InputError(f"{host} can be reached by others: set {VARIABLE} to one or more keys, separated by commas")
    if any(len(key) < SHORTEST for key in keys):
        raise InputError(
            f"a key of {VARIABLE} has fewer than {SHORTEST} characters: make one with `openssl rand -hex 32`"
        )
    return [key.encode() for key in keys]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_key(request: Request) -> None:
    """Refuse a request without one of the keys, given as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    keys: list[bytes] = request.app.state.keys
    if not keys:
        return
    bearer = request.headers.get("authorization", "")
    given = request.headers.get("x-api-key") or bearer.removeprefix("Bearer ")
    found = [hmac.compare_digest(given.encode(), key) for key in keys]  # all of them, whichever fits
    if not any(found):
        raise refuse(401, "api_key", "give a valid key, as X-API-Key or as Authorization: Bearer")
