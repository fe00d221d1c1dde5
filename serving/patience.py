"""Connections that hold no whole request, or whose answers nobody takes, are closed after some seconds."""

import re
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.outgoing import Outgoing

SECONDS = 20  # for the head of a request, and as long for its body
UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*(?=\r\n)", re.IGNORECASE)


class PatientProtocol(HttpToolsProtocol):
    """HTTP and nothing else, with a limit for all that a client is waited for."""

    _limit: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        outgoing: Any = Outgoing(transport, self.loop)
        super().connection_made(outgoing)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """An offer to change to another protocol is passed over, or the parser would leave out the body."""
        if self.cycle is None or not self.cycle.more_body:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = UPGRADE.sub(b"", head + end) + rest
        super().data_received(data)
        if self._limit is None and not self._is_answering and not self.transport.is_closing():
            self._wait()  # for the next request, or for the rest of one that is answered already

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        if not self.flow.write_paused:
            self._stop()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop() if self._is_answering else self._wait()

    def eof_received(self) -> bool:  # ty: ignore[incompatible-method-override]  asyncio takes a bool
        """Who has sent a whole request and says no more still gets the answer."""
        if self._is_answering and not self.cycle.more_body:
            return True
        self.transport.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

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
