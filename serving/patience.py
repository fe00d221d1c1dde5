"""Clients that send slowly, or not at all: a connection that holds no whole request after some seconds is closed."""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.outgoing import Outgoing

SECONDS = 20  # for the head of a request, and as long for its body


class PatientProtocol(HttpToolsProtocol):
    """HTTP, with a limit for the head of each request."""

    _limit: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        outgoing: Any = Outgoing(transport, self.loop)
        super().connection_made(outgoing)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._limit = self.loop.call_later(SECONDS, self._close)

    def _stop(self) -> None:
        if self._limit:
            self._limit.cancel()
            self._limit = None

    def _close(self, *_: Any) -> None:
        if not self.transport.is_closing():
            self.transport.close()
