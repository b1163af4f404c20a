"""A call counts from when it is written, not from when it was about to be."""

import asyncio
import select
import socket
from collections.abc import Iterator

import pytest

from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from shared.specification.vendor import Vendor
from tests.integration.fetcher.site import Free


class Watched(Free):
    """A permit, and what was known of the request when the event loop next came to something else: whether it was said
    to have left, and whether the vendor had it."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._has_left = False
        self.looked: asyncio.Future[tuple[socket.socket, bool, bool]] = asyncio.get_running_loop().create_future()

    @property
    def is_kept(self) -> bool:
        asyncio.get_running_loop().call_soon(self._look)
        return True

    def left(self) -> None:
        self._has_left = True

    def _look(self) -> None:
        connection, _ = self._listening.accept()
        readable, _, _ = select.select([connection], [], [], 0)
        self.looked.set_result((connection, self._has_left, bool(readable)))


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A vendor that the event loop knows nothing of, so that the kernel alone keeps what was written to it."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


async def answer(leave: Watched) -> tuple[bool, bool]:
    connection, has_left, has_arrived = await leave.looked
    with connection:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(connection, 65536)
        await loop.sock_sendall(connection, b"HTTP/1.1 204 No Content\r\n\r\n")
    return has_left, has_arrived


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"{}"), ("POST", b"x" * 1_000_000)])
async def test_a_request_has_left_when_it_is_on_its_way_and_not_before(
    transport: Transport, listening: socket.socket, method: str, body: bytes | None
) -> None:
    leave = Watched(listening)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    vendor = Vendor.model_validate({"vendor": "v", "base_url": url, "network": {"private_addresses": "allow"}})
    answering = asyncio.create_task(answer(leave))
    async with transport.send(HttpRequest(method, url, {}, body), vendor, "direct", leave):
        has_left, has_arrived = await answering
    assert has_left == has_arrived
