"""Asking a server that may be busy: again after a while, not faster than it likes, and not for ever."""

import random
import time
from collections.abc import Sequence
from typing import Self

import httpx

from tasks.core.errors import InputError, first_line
from tasks.core.secrets import hide

AGAIN = {408, 425, 429, 500, 502, 503, 504}  # answers that may be others a moment later
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0  # seconds between two tries


class Patient:
    """A client that asks again.

    Args:
        client: It is closed at the end.
        name: Of the source, for sentences.
        patience: Seconds that one page may take, with all tries.
        rate: Requests a second, at most.
        secrets: What no sentence may show.
    """

    def __init__(
        self, client: httpx.Client, name: str, patience: float, rate: float | None, secrets: Sequence[str] = ()
    ) -> None:
        self.secrets = secrets
        self.client, self.name, self.patience, self.pause = client, name, patience, 1 / rate if rate else 0.0
        self._asked = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, address: str, params: dict[str, str]) -> httpx.Response:
        """The answer, as soon as it is a good one.

        Raises:
            InputError: It is not within the patience, or never will be.
        """
        give_up, tries = time.monotonic() + self.patience, 0
        while True:
            tries += 1
            answer = self._try(address, params)
            if isinstance(answer, httpx.Response) and answer.is_success:
                return answer
            if isinstance(answer, httpx.Response) and answer.status_code not in AGAIN:
                raise InputError(hide(f"source {self.name} {describe(answer)}", *self.secrets))
            wait = wait_before(answer, tries)
            if time.monotonic() + wait > give_up:
                told = f"source {self.name} {describe(answer)}; {tries} tries in patience ({self.patience:g} s)"
                raise InputError(hide(told, *self.secrets))
            time.sleep(wait)

    def _try(self, address: str, params: dict[str, str]) -> httpx.Response | httpx.TransportError:
        time.sleep(max(0.0, self._asked + self.pause - time.monotonic()))
        self._asked = time.monotonic()
        try:
            return self.client.get(httpx.URL(address).copy_merge_params(params))
        except httpx.TransportError as error:
            return error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            told = hide(f"source {self.name} cannot be asked: {first_line(error)}; look at url", *self.secrets)
            raise InputError(told) from None


def wait_before(answer: httpx.Response | httpx.TransportError, tries: int) -> float:
    """Seconds until the next try: as the server says, else longer each time and never quite the same."""
    said = answer.headers.get("Retry-After", "") if isinstance(answer, httpx.Response) else ""
    if said.isdecimal():
        return float(said)
    return min(LONGEST_WAIT, FIRST_WAIT * 2**tries) * random.uniform(0.5, 1)  # noqa: S311


def describe(answer: httpx.Response | httpx.TransportError) -> str:
    """What is wrong with an answer, and what to look at."""
    if isinstance(answer, httpx.TimeoutException):
        return "does not answer within timeout: look at the server, or raise it"
    if isinstance(answer, httpx.TransportError):
        return f"cannot be reached: {first_line(answer)[:200]}; look at url and the server"
    code = answer.status_code
    if code in (401, 403):
        return f"refuses us ({code}): look at the variables that headers_from and params_from name"
    if answer.is_redirect:
        return f"has moved ({code}): write where to into url"
    if code in AGAIN:
        return f"answers {code}: it is busy or broken, look at the server"
    return f"answers {code}: look at url and params"
