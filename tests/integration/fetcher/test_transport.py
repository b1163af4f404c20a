"""The transport on real sockets: whatever a vendor does, the call ends, within its limits and with the right name."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.fetcher.call import connect
from services.fetcher.call import transport as module
from services.fetcher.call.failures import CallFailed, Failure
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from shared.runtime.clock import monotonic
from shared.specification.vendor import Vendor
from tests.eventually import eventually
from tests.integration.fetcher.site import FREE, Site

ALLOW = {"private_addresses": "allow"}


class Names(AbstractResolver):
    """A name server of our own; every name not in its book hangs."""

    def __init__(self) -> None:
        self.book: dict[str, str | list[str]] = {}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What the book says now."""
        self.asked.append(host)
        if host not in self.book:
            await asyncio.Event().wait()
        found = self.book[host]
        return [_resolved(host, port, address) for address in ([found] if isinstance(found, str) else found)]

    async def close(self) -> None:
        """Nothing to close."""


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=0)


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def transport(names: Names) -> AsyncIterator[Transport]:
    made = Transport(names)
    yield made
    await made.close()


def vendor(site: Site, **fields: Any) -> Vendor:
    times = {"connect": "2s", "first_byte": "2s", "total": "5s"} | fields.pop("timeouts", {})
    return Vendor.model_validate({"vendor": "x", "base_url": site.url, "network": ALLOW, "timeouts": times, **fields})


async def call(
    transport: Transport, site: Site, path: str, *, url: str = "", egress: str = "direct", **fields: Any
) -> tuple[int, dict[str, str], bytes]:
    method = fields.pop("method", "GET")
    headers = {"authorization": "Bearer s3cret", "accept-encoding": "gzip"} | fields.pop("headers", {})
    request = HttpRequest(method, url or site.url + path, headers, None)
    async with transport.send(request, vendor(site, **fields), egress, FREE) as answer:
        return answer.status, answer.headers, await answer.read()


async def failing(transport: Transport, site: Site, path: str, **fields: Any) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        await call(transport, site, path, **fields)
    return failed.value


async def test_an_answer_is_status_headers_and_body(transport: Transport, site: Site) -> None:
    status, headers, body = await call(transport, site, "/page")
    assert (status, body) == (200, b'{"items": []}')
    assert headers["content-type"] == "application/json"
    assert headers["link"] == "<a>, <b>"


async def test_all_members_of_a_compressed_body_are_read(transport: Transport, site: Site) -> None:
    assert (await call(transport, site, "/gzip"))[2] == b"one,two"


async def test_no_content_is_whole_whatever_its_headers_say(transport: Transport, site: Site) -> None:
    assert (await call(transport, site, "/empty"))[::2] == (204, b"")


async def test_the_url_means_what_was_written(transport: Transport, site: Site) -> None:
    """The libraries write some characters of the query in their own way, with the same meaning."""
    path, query = "/page/a%2Fb%20c/%C3%A9", "z=1&cursor=a%2Bb%2Fc%3D%3D%26d&e=%7B%22x%22%3A1%7D&s=a+b&empty="
    await call(transport, site, f"{path}?{query}")
    sent_path, _, sent_query = site.heads[0].split(" ")[1].partition("?")
    assert sent_path == path
    assert parse_qsl(sent_query, keep_blank_values=True) == parse_qsl(query, keep_blank_values=True)


async def test_connections_are_kept_and_used_again(transport: Transport, site: Site) -> None:
    for _ in range(20):
        await call(transport, site, "/page")
    await call(transport, site, "/redirect?/page")
    assert (site.connections, len(site.heads)) == (1, 21)


async def test_a_vendor_that_says_nothing(transport: Transport, site: Site) -> None:
    failure = await failing(transport, site, "/hang", timeouts={"first_byte": "200ms"})
    assert (failure.failure, failure.sent) == (Failure.TIMEOUT, True)


@pytest.mark.parametrize("path", ["/stall", "/drip", "/endless"])
async def test_the_total_time_holds_while_the_body_comes(transport: Transport, site: Site, path: str) -> None:
    began = monotonic()
    failure = await failing(transport, site, path, timeouts={"total": "300ms"}, limits={"body": "1GiB"})
    assert (failure.failure, failure.sent) == (Failure.TIMEOUT, True)
    assert monotonic() - began < 2


async def test_what_the_caller_does_with_a_body_does_not_count_as_the_vendors_time(
    transport: Transport, site: Site
) -> None:
    request = HttpRequest("GET", f"{site.url}/page", {}, None)
    async with transport.send(request, vendor(site, timeouts={"total": "1s"}), "direct", FREE) as answer:
        assert await answer.read()
        await site.pause(1.1)


async def test_a_body_that_drips(transport: Transport, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.2)
    failure = await failing(transport, site, "/drip")
    assert (failure.failure, failure.sent) == (Failure.TOO_SLOW, True)


@pytest.mark.parametrize("path", ["/cut-length", "/cut-chunks", "/cut-gzip", "/close"])
async def test_an_answer_that_ends_early(transport: Transport, site: Site, path: str) -> None:
    failure = await failing(transport, site, path)
    assert (failure.failure, failure.sent) == (Failure.TRUNCATED, True)


@pytest.mark.parametrize("path", ["/rubbish", "/bad-gzip", "/brotli"])
async def test_an_answer_that_is_none(transport: Transport, site: Site, path: str) -> None:
    failure = await failing(transport, site, path)
    assert (failure.failure, failure.sent) == (Failure.PROTOCOL, True)


@pytest.mark.parametrize("path", ["/bomb", "/endless", "/declared"])
async def test_a_body_that_is_too_large(transport: Transport, site: Site, path: str) -> None:
    failure = await failing(transport, site, path, limits={"body": "1MiB"})
    assert (failure.failure, failure.sent) == (Failure.TOO_LARGE, True)


async def test_nobody_listens(transport: Transport, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    failure = await failing(transport, site, "", url=f"http://127.0.0.1:{free}/")
    assert (failure.failure, failure.sent) == (Failure.CONNECT, False)


async def test_no_such_name(site: Site) -> None:
    transport = Transport()
    try:
        for host in ("nowhere.invalid", "a" * 70 + ".example"):
            failure = await failing(transport, site, "", url=f"http://{host}/")
            assert failure.failure in (Failure.DNS, Failure.INVALID)
            assert not failure.sent
    finally:
        await transport.close()


async def test_a_handshake_that_never_ends(transport: Transport, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        failure = await failing(transport, site, "", url=url, timeouts={"connect": "200ms"})
    assert (failure.failure, failure.sent) == (Failure.TIMEOUT, False)


async def test_a_vendor_that_speaks_no_tls(transport: Transport, site: Site) -> None:
    failure = await failing(transport, site, "", url=f"https://127.0.0.1:{site.port}/")
    assert not failure.sent
    assert failure.failure in (Failure.TLS, Failure.CONNECT, Failure.TIMEOUT)


@pytest.mark.parametrize(
    "fields", [{"headers": {"x": "a\r\nb: c"}}, {"headers": {"x": "é"}}, {"method": "G T"}, {"url": "ftp://x.example/"}]
)
async def test_a_request_that_cannot_be_sent_is_told_not_raised(
    transport: Transport, site: Site, fields: dict[str, Any]
) -> None:
    failure = await failing(transport, site, "/page", **fields)
    assert (failure.failure, failure.sent) == (Failure.INVALID, False)
    assert site.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "rebound.example", "127.1", "2130706433"])
async def test_private_addresses_are_refused_where_the_socket_is_made(
    transport: Transport, names: Names, site: Site, host: str
) -> None:
    names.book = dict.fromkeys(["rebound.example", "127.1", "2130706433"], "127.0.0.1")
    url = f"http://{host}:{site.port}/page"
    failure = await failing(transport, site, "", url=url, network={})
    assert failure.failure in (Failure.BLOCKED, Failure.INVALID)
    assert (failure.sent, site.connections) == (False, 0)


METADATA = ["169.254.169.254", "168.63.129.16", "fe80::a9fe:a9fe", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"]


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
    failure = await failing(transport, site, "", url=url, network={}, timeouts={"connect": "500ms"})
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
        after = await failing(transport, site, "", url=url, network={}, timeouts=slow)
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


async def test_redirects_are_answers_unless_they_may_be_followed(transport: Transport, site: Site) -> None:
    assert (await call(transport, site, "/redirect?/page"))[0] == 302
    assert (await call(transport, site, "/redirect?/page", network={**ALLOW, "redirects": "follow"}))[0] == 200


async def test_redirects_end(transport: Transport, site: Site) -> None:
    again = "/redirect?" + "/redirect%3F/redirect%253F" + "/redirect%25253F/redirect%2525253F/page"
    failure = await failing(transport, site, again, network={**ALLOW, "redirects": "follow"})
    assert (failure.failure, len(site.heads)) == (Failure.PROTOCOL, 4)


async def test_a_redirect_to_another_host_goes_without_credentials(
    transport: Transport, names: Names, site: Site
) -> None:
    names.book["other.example"] = "127.0.0.1"
    follow = {**ALLOW, "redirects": "follow"}
    await call(transport, site, f"/redirect?http://other.example:{site.port}/page", network=follow)
    assert "s3cret" in site.heads[0]
    assert "s3cret" not in site.heads[1]


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


async def test_a_proxy_that_refuses_was_no_request_to_the_vendor(transport: Transport, site: Site) -> None:
    failure = await failing(transport, site, "", url="https://8.8.8.8/", egress=f"{site.url}")
    assert failure.sent is False or failure.failure is not Failure.TRUNCATED


async def test_cancelled_connects_leave_nothing_behind(transport: Transport, names: Names, site: Site) -> None:
    hanging = [
        asyncio.create_task(call(transport, site, "", url="http://never.example/", timeouts={"connect": "1h"}))
        for _ in range(50)
    ]
    await eventually(lambda: names.asked)
    for task in hanging:
        task.cancel()
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)
    await asyncio.gather(*(call(transport, site, "/page") for _ in range(50)))
    client: Any = transport._pools.pool("direct", True).client
    assert not client.connector._acquired


async def test_a_read_that_is_given_up_closes_its_connection(transport: Transport, site: Site) -> None:
    request = HttpRequest("GET", f"{site.url}/endless", {}, None)
    async with transport.send(request, vendor(site), "direct", FREE) as answer:
        assert await anext(answer.pieces)
    client: Any = transport._pools.pool("direct", True).client
    assert not client.connector._acquired
    assert (await call(transport, site, "/page"))[0] == 200
    assert site.connections == 2
