"""Name look-ups on real threads, where some names hang: the calls of other vendors go on."""

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from services.fetcher.call import names
from services.fetcher.call.failures import CallFailed
from services.fetcher.call.names import Resolver
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from services.fetcher.model import ad_hoc
from shared.specification.hosts import ad_hoc_vendor
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.takeovers import Clock
from tests.integration.fetcher.transports import call
from tests.support.eventually import eventually


class NameServer:
    """What the system asks. Look-ups of names that end in `.hangs` hang until the test ends."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def __call__(self, host: str, port: int, *args: Any, **named: Any) -> Any:
        self.asked.append(host)
        if host.endswith(".hangs"):
            self.answers.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


class CountingClock(Clock):
    """Shows how often it was read."""

    count = 0

    def __call__(self) -> float:
        self.count += 1
        return super().__call__()


async def ask(transport: Transport, url: str) -> None:
    """A call of a URL's host, which is no configured vendor."""
    request, vendor = HttpRequest("GET", url, {}, None), ad_hoc(ad_hoc_vendor(url), url)
    async with transport.send(request, vendor, "direct", FREE):
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answers.set()


async def test_hosts_of_urls_whose_names_hang_leave_the_look_ups_of_configured_vendors_alone(
    server: NameServer, site: Site
) -> None:
    transport = Transport()
    urls = [f"http://{number}.hangs" for number in range(names._LOOKUP_THREADS + 1)]
    hanging = [asyncio.create_task(ask(transport, url)) for url in urls]
    try:
        await eventually(lambda: len(server.asked) == names._LOOKUP_THREADS, 20)
        url = f"http://v.example:{site.port}/page"
        answer = await call(transport, site, "", url=url, timeouts={"connect": "20s", "total": "20s"})
        assert answer[0] == 200
    finally:
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await transport.close()


async def test_a_look_up_that_waited_too_long_for_a_thread_is_dropped(server: NameServer) -> None:
    clock = CountingClock()
    resolver = Resolver(threads=1, clock=clock)
    first = asyncio.create_task(resolver.resolve("first.hangs"))
    await eventually(lambda: server.asked, 20)
    late = asyncio.create_task(resolver.resolve("late.example"))
    await eventually(lambda: clock.count == 3, 20)
    clock.now += names._LOOKUP_WAITS_SECONDS + 1
    last = asyncio.create_task(resolver.resolve("last.example"))
    await eventually(lambda: clock.count == 4, 20)
    server.answers.set()
    assert await first
    with pytest.raises(socket.gaierror, match="too many"):
        await late
    assert await last
    assert server.asked == ["first.hangs", "last.example"]
    await resolver.close()


async def test_a_dropped_look_up_does_not_stop_a_vendor_that_may_be_private_behind_a_proxy(
    server: NameServer, site: Site
) -> None:
    clock = CountingClock()
    resolver = Resolver(threads=1, clock=clock)
    transport, times = Transport(resolver), {"connect": "1h", "total": "1h"}
    first = asyncio.create_task(resolver.resolve("first.hangs"))
    await eventually(lambda: server.asked, 20)
    behind = asyncio.create_task(
        call(transport, site, "", url="http://late.example/page", egress=site.url, timeouts=times)
    )
    await eventually(lambda: clock.count == 3, 20)
    clock.now += names._LOOKUP_WAITS_SECONDS + 1
    server.answers.set()
    await first
    assert (await behind)[0] == 200
    assert server.asked == ["first.hangs"]
    await transport.close()


async def test_a_look_up_that_fails_once_its_call_has_ended_is_not_logged(server: NameServer) -> None:
    logged = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    clock = CountingClock()
    resolver = Resolver(threads=1, clock=clock)
    first = asyncio.create_task(resolver.resolve("first.hangs"))
    await eventually(lambda: server.asked, 20)
    late = asyncio.create_task(resolver.resolve("late.example"))
    await eventually(lambda: clock.count == 3, 20)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    clock.now += names._LOOKUP_WAITS_SECONDS + 1
    server.answers.set()
    await first
    await resolver.resolve("last.example")
    gc.collect()
    assert logged == []
    await resolver.close()


async def test_a_name_that_hangs_takes_one_thread_however_many_calls_wait_for_it(
    server: NameServer, site: Site
) -> None:
    """Through a proxy each call has its name looked up, before the proxy is asked."""
    transport, soon = Transport(), {"connect": "100ms", "total": "20s"}
    for _ in range(3):
        with pytest.raises(CallFailed):
            await call(transport, site, "", url="http://a.hangs/", egress=site.url, network={}, timeouts=soon)
    await eventually(lambda: server.asked)
    assert server.asked == ["a.hangs"]
    await transport.close()
