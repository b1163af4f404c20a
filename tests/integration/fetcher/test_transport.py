"""The transport on real sockets: whatever a vendor does, the call ends, within its limits and with the right name."""

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from services.fetcher.call import transport as module
from services.fetcher.call.failures import Failure
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.transports import ALLOW, Names, call, failing, vendor
from tests.support.eventually import eventually


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


async def test_a_vendor_that_falls_silent_within_a_body(transport: Transport, site: Site) -> None:
    failure = await failing(transport, site, "/stall", timeouts={"first_byte": "200ms", "total": "1h"})
    assert (failure.failure, failure.sent) == (Failure.TIMEOUT, True)


@pytest.mark.parametrize("path", ["/stall", "/drip", "/endless"])
async def test_the_total_time_holds_while_the_body_comes(transport: Transport, site: Site, path: str) -> None:
    times = {"total": "3s", "first_byte": "1h"}
    async with asyncio.timeout(20):
        failure = await failing(transport, site, path, timeouts=times, limits={"body": "1GiB"})
    assert (failure.failure, failure.sent) == (Failure.TIMEOUT, True)


async def test_what_the_caller_does_with_a_body_does_not_count_as_the_vendors_time(
    transport: Transport, site: Site
) -> None:
    request = HttpRequest("GET", f"{site.url}/page", {}, None)
    async with transport.send(request, vendor(site, timeouts={"total": "3s"}), "direct", FREE) as answer:
        assert await answer.read()
        await site.pause(3.1)


async def test_a_body_that_drips(transport: Transport, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.2)
    failure = await failing(transport, site, "/drip")
    assert (failure.failure, failure.sent) == (Failure.TOO_SLOW, True)


@pytest.mark.parametrize("path", ["/cut-length", "/cut-chunks", "/cut-gzip", "/close"])
async def test_an_answer_that_ends_early(transport: Transport, site: Site, path: str) -> None:
    failure = await failing(transport, site, path)
    assert (failure.failure, failure.sent) == (Failure.TRUNCATED, True)


async def test_an_error_in_the_framing_of_a_body_ends_the_call_at_once(transport: Transport, site: Site) -> None:
    """No time-out ends it: neither that of the call nor that of a read."""
    times = {"first_byte": "1h", "total": "1h"}
    async with asyncio.timeout(60):
        failure = await failing(transport, site, "/bad-chunks", timeouts=times)
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


async def test_a_proxy_that_refuses_was_no_request_to_the_vendor(
    transport: Transport, names: Names, site: Site
) -> None:
    names.book["public.example"] = "8.8.8.8"
    failure = await failing(transport, site, "", url="https://public.example/", egress=site.url)
    assert [head.partition(" HTTP")[0] for head in site.heads] == ["CONNECT public.example:443"]
    assert (failure.failure, failure.sent) == (Failure.CONNECT, False)


@pytest.mark.parametrize(
    ("answer", "times", "expected"),
    [
        ("/close", {}, Failure.CONNECT),
        ("/reset", {}, Failure.CONNECT),
        ("/rubbish", {}, Failure.CONNECT),
        ("/hang", {"first_byte": "200ms"}, Failure.TIMEOUT),
        ("/hang", {"total": "200ms"}, Failure.TIMEOUT),
    ],
)
async def test_a_proxy_that_fails_to_connect_was_no_request_to_the_vendor(
    transport: Transport,
    names: Names,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    times: dict[str, str],
    expected: Failure,
) -> None:
    names.book["public.example"] = "8.8.8.8"
    monkeypatch.setitem(vendors.ACTS, "CONNECT", vendors.ACTS[answer])
    failure = await failing(transport, site, "", url="https://public.example/", egress=site.url, timeouts=times)
    assert (failure.failure, failure.sent) == (expected, False)


async def test_a_call_whose_total_time_is_over_before_it_is_connected_was_not_sent(
    transport: Transport, site: Site
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        for never in (url, "http://never.example/"):
            failure = await failing(transport, site, "", url=never, timeouts={"total": "200ms"})
            assert (failure.failure, failure.sent) == (Failure.TIMEOUT, False)


async def test_what_failed_behind_a_redirect_was_sent(transport: Transport, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    follow, soon = {**ALLOW, "redirects": "follow"}, {"connect": "2s"}
    for target in (f"http://127.0.0.1:{free}/", "ftp://other.example/", "http://127.1/", "http://never.example/"):
        failure = await failing(transport, site, f"/redirect?{target}", network=follow, timeouts=soon)
        assert failure.sent, target


async def test_a_proxy_that_is_named_in_the_environment_is_no_egress(
    transport: Transport, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await call(transport, site, "/page"))[0] == 200


async def test_credentials_of_the_users_netrc_are_sent_to_nobody(
    transport: Transport, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    request = HttpRequest("GET", f"{site.url}/page", {}, None)
    async with transport.send(request, vendor(site), "direct", FREE) as answer:
        assert answer.status == 200
    assert "authorization" not in site.heads[0].lower()


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
