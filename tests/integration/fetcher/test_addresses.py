"""Which addresses may be called: the guard stands where the socket is made, whatever the names say."""

import asyncio
import socket

import pytest
from aiohttp.abc import ResolveResult

from services.fetcher.call import connect
from services.fetcher.call.failures import CallFailed, Failure
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.transports import Names, call, failing, vendor

METADATA = ["169.254.169.254", "168.63.129.16", "fe80::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"]


@pytest.mark.parametrize("host", ["127.0.0.1", "rebound.example", "127.1", "2130706433"])
async def test_private_addresses_are_refused_where_the_socket_is_made(
    transport: Transport, names: Names, site: Site, host: str
) -> None:
    names.book = dict.fromkeys(["rebound.example", "127.1", "2130706433"], "127.0.0.1")
    url = f"http://{host}:{site.port}/page"
    failure = await failing(transport, site, "", url=url, network={})
    assert failure.failure in (Failure.BLOCKED, Failure.INVALID)
    assert (failure.sent, site.connections) == (False, 0)


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("egress", ["direct", "http://127.0.0.1:9"])
async def test_a_vendor_that_may_be_private_is_not_where_clouds_keep_credentials(
    transport: Transport, names: Names, site: Site, address: str, egress: str
) -> None:
    names.book = {"metadata.example": address, "beside.example": ["127.0.0.1", address], address: address}
    literal = f"[{address}]" if ":" in address else address
    for host in ("metadata.example", "beside.example", literal):
        failure = await failing(transport, site, "", url=f"http://{host}:{site.port}/page", egress=egress)
        assert (failure.failure, failure.sent, site.connections) == (Failure.BLOCKED, False, 0), host


async def test_an_installation_says_which_private_networks_there_are(names: Names, site: Site) -> None:
    names.book["own.example"] = "127.0.0.1"
    for networks, host in (("", "own.example"), ("", "127.0.0.1"), ("10.0.0.0/8,::1/128", "127.0.0.1")):
        closed = Transport(names, networks)
        failure = await failing(closed, site, "", url=f"http://{host}:{site.port}/page")
        assert (failure.failure, site.connections) == (Failure.BLOCKED, 0)
        await closed.close()
    opened = Transport(names, "127.0.0.1/32")
    assert (await call(opened, site, "/page"))[0] == 200
    await opened.close()


async def test_what_the_proxy_alone_knows_is_asked_of_it(names: Names, site: Site) -> None:
    """A name of the own network that cannot be looked up here."""

    async def unknown(host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, host)

    setattr(names, "resolve", unknown)  # noqa: B010 - one answer of a name server for this test
    transport = Transport(names)
    answer = await call(transport, site, "", url="http://inner.example/page", egress=site.url)
    await transport.close()
    assert answer[0] == 200


@pytest.mark.parametrize(
    "addresses", [["8.8.8.8", "::1"], ["::1", "8.8.8.8"], ["2606:4700::1111", "10.0.0.1"], ["127.0.0.1", "8.8.8.8"]]
)
async def test_a_name_with_a_private_address_beside_public_ones_is_refused(
    transport: Transport, names: Names, site: Site, addresses: list[str]
) -> None:
    """No address of it is tried, so it does not matter which of them answers first."""
    names.book["both.example"] = addresses
    url = f"http://both.example:{site.port}/page"
    failure = await failing(transport, site, "", url=url, network={}, timeouts={"connect": "10s"})
    assert (failure.failure, failure.sent, site.connections) == (Failure.BLOCKED, False, 0)


async def test_a_name_that_becomes_private_is_refused_from_then_on(
    names: Names, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name server tells the guard of one address and the connection of another."""
    monkeypatch.setattr(connect, "_NAMES_KEPT_SECONDS", 0)
    transport = Transport(names)
    names.book["rebound.example"] = "8.8.8.8"
    url = f"http://rebound.example:{site.port}/page"
    slow = {"connect": "200ms", "total": "1s"}
    try:
        before = await failing(transport, site, "", url=url, network={}, timeouts=slow)
        names.book["rebound.example"] = "127.0.0.1"
        after = await failing(transport, site, "", url=url, network={})
    finally:
        await transport.close()
    assert before.failure is not Failure.BLOCKED
    assert (after.failure, site.connections) == (Failure.BLOCKED, 0)


async def test_a_connection_that_one_vendor_may_use_is_not_lent_to_another(transport: Transport, site: Site) -> None:
    await call(transport, site, "/page")
    assert (await failing(transport, site, "/page", network={})).failure is Failure.BLOCKED
    assert len(site.heads) == 1


async def test_localhost_is_refused_as_the_system_resolves_it(site: Site) -> None:
    transport = Transport()
    try:
        failure = await failing(transport, site, "", url=f"http://localhost:{site.port}/page", network={})
        assert failure.failure is Failure.BLOCKED
        assert (await call(transport, site, "", url=f"http://localhost:{site.port}/page"))[0] == 200
    finally:
        await transport.close()


async def test_a_redirect_to_a_private_address_is_refused(transport: Transport, names: Names, site: Site) -> None:
    """The first host is public as far as the guard can tell; the second is reached by name."""
    names.book |= {"inside.example": "127.0.0.1"}
    for target in (f"http://inside.example:{site.port}/page", f"http://127.1:{site.port}/page"):
        failure = await _redirected_from_public(transport, site, target)
        assert failure.failure is Failure.BLOCKED
    assert len(site.heads) == 2


async def _redirected_from_public(transport: Transport, site: Site, target: str) -> CallFailed:
    request = HttpRequest("GET", f"{site.url}/redirect?{target}", {}, None)
    guarded = vendor(site, network={"redirects": "follow"})
    first = transport._pools.pool("direct", True)
    with pytest.MonkeyPatch.context() as patch:
        pools = [first, transport._pools.pool("direct", False)]
        patch.setattr(transport._pools, "pool", lambda *_: pools.pop(0))
        with pytest.raises(CallFailed) as failed:
            async with transport.send(request, guarded, "direct", FREE):
                pass
    return failed.value


async def test_a_proxy_is_not_asked_for_private_names(transport: Transport, names: Names, site: Site) -> None:
    names.book = {"inside.example": "10.0.0.1", "public.example": "8.8.8.8", "proxy.example": "127.0.0.1"}
    proxy = f"http://proxy.example:{site.port}"
    inside = await failing(transport, site, "", url="http://inside.example/page", egress=proxy, network={})
    assert inside.failure is Failure.BLOCKED
    own = await failing(transport, site, "", url="http://public.example/page", egress=proxy, network={})
    assert own.failure is Failure.BLOCKED
    assert site.heads == []
    assert (await call(transport, site, "", url="http://public.example/page", egress=proxy))[0] == 200
    assert site.heads[0].startswith("GET http://public.example/page HTTP/1.1")


async def test_a_name_server_that_hangs_before_a_proxy_is_asked_costs_no_more_than_the_time_to_connect(
    transport: Transport, site: Site
) -> None:
    """Where the vendor may be private, the proxy may know the name all the same."""
    url, times = "http://hanging.example/page", {"connect": "2s", "total": "1h"}
    async with asyncio.timeout(60):
        failure = await failing(transport, site, "", url=url, egress=site.url, timeouts=times, network={})
        assert (failure.failure, failure.sent, site.heads) == (Failure.TIMEOUT, False, [])
        assert (await call(transport, site, "", url=url, egress=site.url, timeouts=times))[0] == 200
