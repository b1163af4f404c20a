"""Large answers that come at the same time are held one after the other, and small ones do not wait for them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.fetcher.call.request import HttpRequest
from services.fetcher.call.room import Room
from services.fetcher.call.transport import SMALL_BYTES, Transport
from shared.specification.vendor import Vendor
from tests.eventually import eventually
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.site import FREE, Site

LARGE = 3 * SMALL_BYTES // 2
LIMIT = 2 * SMALL_BYTES


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(body_bytes=3 * SMALL_BYTES)
    yield made
    await made.close()


def vendor(site: Site, total: str = "2m") -> Vendor:
    document = {
        "vendor": "x",
        "base_url": site.url,
        "limits": {"body": LIMIT},
        "network": {"private_addresses": "allow"},
        "timeouts": {"total": total},
    }
    return Vendor.model_validate(document)


async def _large(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE + b"x" * LARGE)


@pytest.fixture(autouse=True)
def _serves_large_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vendors.ACTS, "/large", _large)


class Call:
    """A call that keeps its answer until it is told to end."""

    def __init__(self, transport: Transport, site: Site, path: str, *, total: str = "2m") -> None:
        self.size = 0
        self._may_end = asyncio.Event()
        self._running = asyncio.create_task(self._run(transport, vendor(site, total), f"{site.url}{path}"))

    async def _run(self, transport: Transport, vendor: Vendor, url: str) -> None:
        async with transport.send(HttpRequest("GET", url, {}, None), vendor, "direct", FREE) as answer:
            self.size = len(await answer.read())
            await self._may_end.wait()

    @property
    def is_over(self) -> bool:
        return self._running.done() and self._running.exception() is not None

    async def end(self) -> None:
        self._may_end.set()
        await self._running


async def test_a_large_answer_waits_for_room_until_another_call_is_over(transport: Transport, site: Site) -> None:
    first = Call(transport, site, "/large")
    await eventually(lambda: first.size == LARGE, 20)
    second, small = Call(transport, site, "/large"), Call(transport, site, "/items")
    await eventually(lambda: len(site.heads) == 3 and small.size, 20)
    assert second.size == 0
    await first.end()
    await eventually(lambda: second.size == LARGE, 20)
    await second.end()
    await small.end()


async def test_who_waits_for_room_is_admitted_in_turn_but_not_beyond_half_of_it() -> None:
    room, order = Room(8), list[str]()

    async def take(vendor: str, size: int) -> None:
        await room.take(vendor, size)
        order.append(vendor)

    async def settle() -> None:
        await eventually(lambda: sum(task.done() for task in tasks) == len(order), 5)

    tasks = [
        asyncio.create_task(take(vendor, size)) for vendor, size in (("a", 3), ("a", 3), ("b", 4), ("c", 8), ("d", 1))
    ]
    await eventually(lambda: len(order) == 2, 5)
    assert order == ["a", "b"]
    room.give_back("b", 4)
    room.give_back("a", 3)
    await eventually(lambda: len(order) == 3, 5)
    room.give_back("a", 3)
    await eventually(lambda: len(order) == 4, 5)
    room.give_back("c", 8)
    await eventually(lambda: len(order) == 5, 5)
    assert order == ["a", "b", "a", "c", "d"]
    await settle()


async def test_the_time_for_which_a_large_answer_waits_for_room_is_none_of_its_own(
    transport: Transport, site: Site
) -> None:
    first = Call(transport, site, "/large")
    await eventually(lambda: first.size == LARGE, 20)
    hasty, second = Call(transport, site, "/hang", total="1s"), Call(transport, site, "/large", total="1s")
    await eventually(lambda: hasty.is_over and len(site.heads) == 3, 20)
    assert not second.is_over
    await first.end()
    await eventually(lambda: second.size == LARGE, 20)
    await second.end()
