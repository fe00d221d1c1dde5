"""What is sent: all that a connection is given in one turn of the event loop leaves as one piece after it.

uvicorn writes head and body of an answer apart, and each write is a system call that wakes the client. The answers to a
batch are found in one turn, so that they leave one right after the other, with one call each.
"""

from asyncio import AbstractEventLoop
from typing import Any

UNTAKEN = 20  # seconds in which a client takes nothing


class Outgoing:
    """A transport that sends once a turn.

    Args:
        transport: Of the connection.
        loop: In whose turns it is written to.
    """

    def __init__(self, transport: Any, loop: AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send this when the turn is over."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        """Close the connection once all is sent, or the client takes no more."""
        self._send()
        self._transport.close()
        self._watch(0)

    def _watch(self, before: int) -> None:
        """Throw away what is left once the client has taken nothing of it for a while."""
        left = self._transport.get_write_buffer_size()
        if left and left == before:
            self._transport.abort()
        elif left:
            self._loop.call_later(UNTAKEN, self._watch, left)

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
