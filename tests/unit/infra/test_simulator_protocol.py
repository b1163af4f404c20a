"""A simulator's connection at moments that a socket hits by chance only."""

import asyncio
from collections.abc import Callable

import pytest

from infra.simulator.protocol import HttpConnection
from infra.simulator.wire import Answer, Delivery, Request, render

pytestmark = pytest.mark.asyncio


class ScriptedTransport(asyncio.Transport):
    """A client that reacts to each write at once."""

    def __init__(self, react: Callable[[int], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []
        self._react = react

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self._react(len(self.written))

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def test_a_request_that_comes_just_behind_a_slow_answer_is_answered_too() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def answer(request: Request) -> Delivery:
        return Delivery(render(Answer(200, request.target.encode()), 0.0), wait_seconds=1e-6)

    def ask(number: int) -> None:
        connection.data_received(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def react(writes: int) -> None:
        # Ahead of anything the connection has the loop call when its task ends.
        loop.call_soon(ask, writes) if writes < 5 else done.set()

    connection, transport = HttpConnection(answer, set()), ScriptedTransport(react)
    connection.connection_made(transport)
    ask(0)
    await asyncio.wait_for(done.wait(), timeout=30)
    assert [data.rpartition(b"/")[2] for data in transport.written] == [b"0", b"1", b"2", b"3", b"4"]


async def test_what_a_lost_connection_did_not_get_is_settled_as_not_delivered() -> None:
    settled: list[bool] = []

    def answer(request: Request) -> Delivery:
        return Delivery(b"", wait_seconds=3600.0, settle=settled.append)

    connection = HttpConnection(answer, set())
    connection.connection_made(ScriptedTransport(lambda _: None))
    connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    connection.connection_lost(None)
    assert settled == [False] * 3
