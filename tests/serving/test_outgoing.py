"""What is written in one turn of the event loop leaves as one piece, and nothing is lost by closing."""

import asyncio
import socket

import pytest

from serving.outgoing import Outgoing


def test_head_and_body_leave_when_the_turn_is_over_and_what_is_left_before_the_connection_closes():
    async def send() -> None:
        loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        theirs.setblocking(False)
        outgoing = Outgoing(transport, loop)
        outgoing.write(b"head, ")
        outgoing.write(b"body")
        with pytest.raises(BlockingIOError):
            theirs.recv(99)
        async with asyncio.timeout(60):
            assert await loop.sock_recv(theirs, 99) == b"head, body"
            outgoing.write(b"the ")
            outgoing.write(b"last")
            outgoing.close()
            assert outgoing.is_closing()
            assert await loop.sock_recv(theirs, 99) == b"the last"
            assert await loop.sock_recv(theirs, 99) == b""
        theirs.close()

    asyncio.run(send())
