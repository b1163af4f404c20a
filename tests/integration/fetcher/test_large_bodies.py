"""Large answers that come at the same time are held one after the other, and small ones do not wait for them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.fetcher.call.body_memory import Body, BodyMemory
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import SMALL_BYTES, Transport
from shared.specification.vendor import Vendor
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.site import FREE, Site
from tests.support.eventually import eventually

LARGE = 3 * SMALL_BYTES // 2
LIMIT = 2 * SMALL_BYTES


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(body_bytes=3 * SMALL_BYTES)
    yield made
    await made.close()


def vendor(site: Site, total: str = "2m", *, name: str = "x", limit: int = LIMIT) -> Vendor:
    document = {
        "vendor": name,
        "base_url": site.url,
        "limits": {"body": limit},
        "network": {"private_addresses": "allow"},
        "timeouts": {"total": total},
    }
    return Vendor.model_validate(document)


async def _large(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE + b"x" * LARGE)


async def _slow(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    """Does not say how large it is, and does not end."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head + b"%x\r\n" % LARGE + b"x" * LARGE + b"\r\n")
    await site.closing.wait()


@pytest.fixture(autouse=True)
def _serves_large_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vendors.ACTS, "/large", _large)
    monkeypatch.setitem(vendors.ACTS, "/slow", _slow)


class Call:
    """A call that keeps its answer until it is told to end."""

    def __init__(
        self, transport: Transport, site: Site, path: str, *, total: str = "2m", of: Vendor | None = None
    ) -> None:
        self.size = 0
        self._may_end = asyncio.Event()
        self._running = asyncio.create_task(self._run(transport, of or vendor(site, total), f"{site.url}{path}"))

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


async def test_a_large_answer_waits_for_memory_until_another_call_is_over(transport: Transport, site: Site) -> None:
    first = Call(transport, site, "/large")
    await eventually(lambda: first.size == LARGE, 20)
    second, small = Call(transport, site, "/large"), Call(transport, site, "/items")
    await eventually(lambda: len(site.heads) == 3 and small.size, 20)
    assert second.size == 0
    await first.end()
    await eventually(lambda: second.size == LARGE, 20)
    await second.end()
    await small.end()


class Stream(Call):
    """A call whose answer goes through in pieces, of which so many bytes are held; the first one is kept until it is
    told to end."""

    def __init__(self, transport: Transport, site: Site, path: str, held: int, *, total: str = "2m") -> None:
        self._held = held
        super().__init__(transport, site, path, total=total, of=None)

    async def _run(self, transport: Transport, vendor: Vendor, url: str) -> None:
        async with transport.send(HttpRequest("GET", url, {}, None), vendor, "direct", FREE) as answer:
            pieces = await answer.stream(self._held)
            if isinstance(pieces, bytes):
                self.size = len(pieces)
                return
            async for piece in pieces:
                self.size += len(piece)
                await self._may_end.wait()


async def test_a_large_answer_that_is_not_held_whole_waits_for_memory_as_well(transport: Transport, site: Site) -> None:
    first = Call(transport, site, "/large")
    await eventually(lambda: first.size == LARGE, 20)
    stream, small = Stream(transport, site, "/large", LARGE), Stream(transport, site, "/items", LARGE)
    await eventually(lambda: len(site.heads) == 3 and small.size, 20)
    assert stream.size == 0
    await first.end()
    await eventually(lambda: stream.size, 20)
    await stream.end()
    assert stream.size == LARGE


async def test_an_answer_that_goes_through_in_pieces_counts_for_what_is_held_of_it(
    transport: Transport, site: Site
) -> None:
    streams = [Stream(transport, site, "/large", LARGE // 2) for _ in range(2)]
    await eventually(lambda: all(stream.size for stream in streams), 20)
    for stream in streams:
        await stream.end()
    assert admitted(transport) == []


async def test_the_time_for_which_the_payload_store_keeps_a_large_answer_waiting_is_none_of_its_own(
    transport: Transport, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = asyncio.Event()

    async def in_two(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE + b"x" * (LARGE - 1))
        await more.wait()
        writer.write(b"x")

    monkeypatch.setitem(vendors.ACTS, "/in-two", in_two)
    stream = Stream(transport, site, "/in-two", LARGE, total="4s")
    await eventually(lambda: stream.size, 20)
    hasty = Call(transport, site, "/hang", total="4s")
    await eventually(lambda: hasty.is_over, 20)
    ending = asyncio.create_task(stream.end())
    await eventually(lambda: stream.size == LARGE - 1 or ending.done(), 20)
    more.set()
    await ending
    assert stream.size == LARGE


class Bodies:
    """Bodies that reserve memory, one after the other. `order`: those that got it."""

    def __init__(self, most: int) -> None:
        self.order: list[str] = []
        self._memory, self._bodies = BodyMemory(most), dict[str, Body]()
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, *wanted: tuple[str, int]) -> None:
        """Each of these is its own vendor, but for the digits behind its name."""
        for name, size in wanted:
            self._tasks.add(asyncio.create_task(self._take(name, size)))
        await self._settle()

    async def go(self, name: str) -> None:
        self._memory.release(self._bodies.pop(name))
        await self._settle()

    async def give_up(self) -> None:
        """Those that still wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, name: str, size: int) -> None:
        self._bodies[name] = await self._memory.admit(name.rstrip("0123456789"), size)
        self.order.append(name)

    async def _settle(self) -> None:
        """A few turns of the event loop: everything that happens here happens at once."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_no_vendor_has_more_than_half_of_the_memory_and_others_pass_who_waits() -> None:
    bodies = Bodies(8)
    await bodies.come(("a1", 3), ("a2", 3), ("b", 4), ("c", 80), ("d", 1))
    assert bodies.order == ["a1", "b", "d"]
    await bodies.go("b")
    assert bodies.order == ["a1", "b", "d", "c"]
    await bodies.go("a1")
    assert bodies.order == ["a1", "b", "d", "c", "a2"]


async def test_ad_hoc_vendors_together_have_no_more_than_half_of_the_memory() -> None:
    bodies = Bodies(8)
    await bodies.come(("url:a.example", 3), ("url:b.example", 3), ("c", 4))
    assert bodies.order == ["url:a.example", "c"]
    await bodies.go("url:a.example")
    assert bodies.order == ["url:a.example", "c", "url:b.example"]


async def test_nobody_waits_for_memory_longer_than_for_those_who_were_there_before() -> None:
    """Those who pass may stay for ever, and others like them come all the time."""
    bodies = Bodies(16)
    await bodies.come(("a", 6), ("b", 6), ("large", 8), ("c", 4))
    assert bodies.order == ["a", "b", "c"]
    await bodies.go("a")
    await bodies.come(*((f"d{number}", 3) for number in range(9)), *((f"e{number}", 3) for number in range(9)))
    assert bodies.order == ["a", "b", "c", "d0"]
    await bodies.go("b")
    assert bodies.order[4] == "large"
    await bodies.give_up()


async def test_a_vendors_own_bodies_do_not_pass_for_ever_the_one_that_waits() -> None:
    bodies = Bodies(16)
    await bodies.come(("a1", 4), ("a2", 6), ("a3", 2), ("a4", 2), ("a5", 1))
    assert bodies.order == ["a1", "a3"]
    await bodies.go("a1")
    assert bodies.order == ["a1", "a3", "a2"]
    await bodies.give_up()


async def test_a_body_that_gives_up_frees_memory_for_others() -> None:
    bodies = Bodies(8)
    await bodies.come(("a", 4), ("b", 3), ("c", 4), ("d", 4))
    assert bodies.order == ["a", "b"]
    await bodies.give_up()
    await bodies.go("a")
    await bodies.go("b")
    await bodies.come(("e", 4), ("f", 4))
    assert bodies.order == ["a", "b", "e", "f"]


async def test_a_slow_body_of_unknown_size_leaves_memory_for_other_vendors(transport: Transport, site: Site) -> None:
    """Its vendor's limit is more than all the memory."""
    slow = Call(transport, site, "/slow", of=vendor(site, name="slow", limit=64 * SMALL_BYTES))
    await eventually(lambda: admitted(transport) == ["slow"], 20)
    other = Call(transport, site, "/large", of=vendor(site, name="other", limit=64 * SMALL_BYTES))
    await eventually(lambda: other.size == LARGE, 20)
    await other.end()
    assert not slow.is_over
    await site.close()
    await eventually(lambda: slow.is_over, 20)


async def test_a_body_takes_as_much_memory_as_it_says_that_it_needs(site: Site) -> None:
    transport = Transport(body_bytes=6 * SMALL_BYTES)
    calls = [Call(transport, site, "/large", of=vendor(site, limit=64 * SMALL_BYTES)) for _ in range(2)]
    await eventually(lambda: [call.size for call in calls] == [LARGE, LARGE], 20)
    for call in calls:
        await call.end()
    await transport.close()


def admitted(transport: Transport) -> list[str]:
    """Whose bodies have memory."""
    return [body.owner for body in transport._memory._admitted]


async def test_the_time_for_which_a_large_answer_waits_for_memory_is_none_of_its_own(
    transport: Transport, site: Site
) -> None:
    first = Call(transport, site, "/large")
    await eventually(lambda: first.size == LARGE, 20)
    hasty, second = Call(transport, site, "/hang", total="3s"), Call(transport, site, "/large", total="3s")
    await eventually(lambda: hasty.is_over and len(site.heads) == 3, 20)
    assert not second.is_over
    await first.end()
    await eventually(lambda: second.size == LARGE, 20)
    await second.end()
