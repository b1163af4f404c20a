"""The vendor simulator over real sockets."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.simulator import Contract, FailPath, Fault, Misbehaviour, Simulator, SimulatorConfig, VendorConfig
from tests.support.eventually import eventually
from tests.support.loopback import more_addresses

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def serving(config: VendorConfig) -> AsyncIterator[str]:
    """The address of a simulator with one vendor, acme."""
    async with Simulator(SimulatorConfig(vendors={"acme": config})).serve() as base_url:
        yield base_url


@asynccontextmanager
async def client_of(config: VendorConfig) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a simulator with one vendor, acme."""
    async with serving(config) as base_url, aiohttp.ClientSession(base_url) as client:
        yield client


async def exchange(base_url: str, sent: bytes) -> bytes:
    """All that comes back on one connection until it is closed."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    received = await reader.read(-1)
    writer.close()
    return received


async def document(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        answer.raise_for_status()
        return await answer.json()


async def status(client: aiohttp.ClientSession, path: str, method: str = "GET", **more: Any) -> int:
    async with client.request(method, path, **more) as answer:
        await answer.read()
        return answer.status


async def truth(client: aiohttp.ClientSession, query: str = "") -> Any:
    return await document(client, f"/_truth/acme{query}")


async def test_whoever_exceeds_the_contract_is_refused_and_counted() -> None:
    contract = Contract(requests=5, per_seconds=3600.0, burst=3, headers="x-ratelimit")
    async with client_of(VendorConfig(contract=contract)) as client:
        statuses = [await status(client, f"/acme/items/{number}") for number in range(1, 10)]
        assert statuses == [200] * 7 + [429] * 2
        async with client.get("/acme/items/1") as answer:
            assert 3590 <= int(answer.headers["Retry-After"]) <= 3600
            assert answer.headers["X-RateLimit-Remaining"] == "0"
        told = await truth(client, "?window_seconds=3600")
        assert told["by_status"] == {"200": 7, "429": 3}
        assert told["highest_in_any_second"]["all"] >= told["highest_in_any_second"]["admitted"]
        assert (told["window"]["all"], told["window"]["admitted"]) == (10, 7)


@more_addresses
async def test_each_address_may_have_a_contract_of_its_own() -> None:
    contract = Contract(requests=1, per_seconds=3600.0, scope="address")
    async with serving(VendorConfig(contract=contract)) as base_url:
        for address in ("127.0.0.1", "127.0.0.2"):
            connector = aiohttp.TCPConnector(local_addr=(address, 0))
            async with aiohttp.ClientSession(base_url, connector=connector) as client:
                assert [await status(client, "/acme/items/1") for _ in range(2)] == [200, 429]
                told = await truth(client)
        assert told["by_address"] == {"127.0.0.1": 2, "127.0.0.2": 2}


@more_addresses
async def test_each_proxy_has_an_address_of_its_own() -> None:
    contract = Contract(requests=1, per_seconds=3600.0, scope="address")
    async with client_of(VendorConfig(contract=contract)) as client:
        urls = []
        for address in ("127.0.0.2", "127.0.0.3"):
            async with client.put(f"/_control/proxies/from-{address[-1]}", json={"address": address}) as answer:
                urls.append((await answer.json())["url"])
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        for url in (*urls, None):
            asked = [await status(client, "/acme/items/1", proxy=url, headers=forwarded) for _ in range(2)]
            assert asked == [200, 429]
        told = await truth(client, "?window_seconds=3600&address=127.0.0.3")
        assert told["by_address"] == {"127.0.0.1": 2, "127.0.0.2": 2, "127.0.0.3": 2}
        assert told["refused_by_address"] == {"127.0.0.1": 1, "127.0.0.2": 1, "127.0.0.3": 1}
        assert (told["window"]["all"], told["window"]["admitted"]) == (2, 1)
        proxies = await document(client, "/_control/proxies")
        assert {name: proxy["requests"] for name, proxy in proxies.items()} == {"from-2": 2, "from-3": 2}


async def test_a_proxy_may_refuse_or_be_gone() -> None:
    async with client_of(VendorConfig()) as client:

        async def proxy(answers: str) -> str:
            async with client.put("/_control/proxies/north", json={"answers": answers}) as answer:
                return str((await answer.json())["url"])

        assert await status(client, "/acme/items/1", proxy=await proxy("refuse")) == 403
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await status(client, "/acme/items/1", proxy=await proxy("drop"))
        with pytest.raises(TimeoutError):
            hurried = aiohttp.ClientTimeout(total=0.1)
            await status(client, "/acme/items/1", proxy=await proxy("hang"), timeout=hurried)
        assert await status(client, "/_control/proxies/north", "PUT", json={"address": "10.0.0.1"}) == 422
        assert (await truth(client))["requests"] == 0


@more_addresses
async def test_a_tunnel_through_a_proxy_reaches_the_vendor() -> None:
    async with client_of(VendorConfig()) as client:
        async with client.put("/_control/proxies/north") as answer:
            url, vendor = (await answer.json())["url"], f"{answer.url.host}:{answer.url.port}"
        inside = "GET /acme/items/1 HTTP/1.1\r\nConnection: close\r\n\r\n"
        ask = f"CONNECT {vendor} HTTP/1.1\r\nHost: {vendor}\r\n\r\n{inside}"
        received = await exchange(url, ask.encode())
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert (await truth(client))["by_address"] == {"127.0.0.2": 1}


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.TRUNCATE, aiohttp.ClientPayloadError), (Fault.HANG, aiohttp.ServerDisconnectedError)],
)
async def test_connections_that_break_are_noticed_and_count_as_nothing_served(
    fault: Fault, error: type[Exception]
) -> None:
    config = VendorConfig(hang_seconds=0.0, fail_paths=(FailPath(match="offset=0", fault=fault),))
    async with client_of(config) as client:
        with pytest.raises(error):
            await document(client, "/acme/items?offset=0")
        told = await truth(client)
        assert told["records"]["distinct"] == told["in_flight"] == 0
        assert told["by_fault"].keys() == {fault}


@pytest.mark.parametrize(
    ("fault", "media_type", "start"),
    [
        (Fault.MALFORMED, "application/json", b'{"items":[{"id":1'),
        (Fault.HTML, "text/html", b"<!doctype"),
        (Fault.EMPTY, "application/json", b""),
    ],
)
async def test_wrong_bodies_come_with_status_200(fault: Fault, media_type: str, start: bytes) -> None:
    config = VendorConfig(fail_paths=(FailPath(match="/items", fault=fault, times=1),))
    async with client_of(config) as client, client.get("/acme/items") as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type, body[: len(start)]) == (200, media_type, start)
        assert len(body) < 7_000
        assert (await truth(client))["records"]["distinct"] == 0
        assert len((await document(client, "/acme/items"))["items"]) == 100


async def test_a_hanging_request_holds_up_nobody_else() -> None:
    config = VendorConfig(in_flight_max=1, fail_paths=(FailPath(match="offset=100", fault=Fault.HANG),))
    async with client_of(config) as client:

        async def in_flight() -> int:
            return int((await truth(client))["in_flight"])

        async def nothing_in_flight() -> bool:
            return await in_flight() == 0

        hanging = asyncio.create_task(status(client, "/acme/items?offset=100"))
        await eventually(in_flight)
        assert await status(client, "/acme/items?offset=0") == 429
        hanging.cancel()
        await eventually(nothing_in_flight)
        assert await status(client, "/acme/items?offset=0") == 200


async def test_pipelined_requests_are_answered_in_order_however_slow_the_first() -> None:
    slow_first = (FailPath(match="^/items/1$", fault=Fault.DRIP),)
    async with serving(VendorConfig(drip_bytes_per_second=5_000, fail_paths=slow_first)) as base_url:
        requests = [f"GET /acme/items/{number} HTTP/1.1\r\nHost: x\r\n" for number in (1, 2, 3)]
        received = await exchange(base_url, ("\r\n".join(requests) + "Connection: close\r\n\r\n").encode())
        places = [received.index(b'"id":%d,' % number) for number in (1, 2, 3)]
        assert places == sorted(places)


async def test_what_is_no_http_is_refused() -> None:
    async with serving(VendorConfig()) as base_url:
        assert (await exchange(base_url, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_token_may_be_required() -> None:
    async with client_of(VendorConfig(require_token="letmein")) as client:
        assert await status(client, "/acme/items/1") == 401
        assert await status(client, "/acme/items/1", headers={"Authorization": "Bearer letmein"}) == 200
        assert (await truth(client))["highest_in_any_second"] == {"all": 2, "admitted": 1}


async def test_what_a_client_holds_already_is_not_sent_again() -> None:
    async with client_of(VendorConfig(etag=True)) as client:
        async with client.get("/acme/items?offset=100") as answer:
            known = {"If-None-Match": f'"other", {answer.headers["ETag"]}'}
        assert await status(client, "/acme/items?offset=100", headers=known) == 304
        assert await status(client, "/acme/items?offset=200", headers=known) == 200


async def test_a_quote_is_echoed_and_other_methods_are_refused() -> None:
    async with client_of(VendorConfig()) as client:
        async with client.post("/acme/quote", json={"sku": 7}) as answer:
            assert (await answer.json())["echo"] == {"sku": 7}
        assert await status(client, "/acme/quote", "POST", data=b"{") == 400
        assert await status(client, "/acme/quote") == 405
        assert await status(client, "/acme/nothing") == 404
        assert await status(client, "/nobody/items") == 404
        assert await status(client, "/acme/items/20001") == 404
        assert await status(client, "/acme/quote", "POST", data=b"1" * 3_000_000) == 413


@pytest.mark.parametrize(("body", "kind"), [("array", list), ("scalar", int)])
async def test_a_listing_may_be_no_object(body: Any, kind: type) -> None:
    async with client_of(VendorConfig(misbehaviour=Misbehaviour(body=body))) as client:
        assert isinstance(await document(client, "/acme/cursor"), kind)


async def test_misbehaviour_of_the_body_is_played_as_configured() -> None:
    async with client_of(VendorConfig()) as client:

        async def answered(body: str) -> tuple[int, bytes]:
            await status(client, "/_control/vendors/acme", "PUT", json={"misbehaviour": {"body": body}})
            async with client.get("/acme/items?limit=1", allow_redirects=False) as answer:
                return answer.status, await answer.content.readexactly(200_000 if body in ("bomb", "endless") else 0)

        assert [await answered(body) for body in ("bomb", "endless")] == [(200, b" " * 200_000)] * 2
        assert (await answered("redirect"))[0] == 302
        for body, charset in (("utf-16", "utf-16"), ("latin-1", "iso-8859-1")):
            await answered(body)
            async with client.get("/acme/items?limit=1") as answer:
                assert answer.charset == charset
                assert "id" in (await answer.json())["items"][0]
        assert (await truth(client))["records"]["distinct"] == 0


async def test_vendors_are_set_up_healed_reset_and_removed_at_run_time() -> None:
    async with client_of(VendorConfig()) as client:
        vendor = "/_control/vendors/bazaar"
        settings = {"records": 5, "fail_paths": [{"match": "^/items/3$", "status": 503}]}
        assert await status(client, vendor, "PUT", json=settings) == 200
        assert await status(client, vendor, "PUT", json={"record": 5}) == 422
        assert await document(client, "/_control/vendors") == {"vendors": ["acme", "bazaar"]}
        assert [await status(client, f"/bazaar/items/{number}") for number in (2, 3, 3)] == [200, 503, 503]
        assert await status(client, f"{vendor}/heal", "POST") == 204
        assert await status(client, "/bazaar/items/3") == 200
        assert (await document(client, "/_truth/bazaar"))["requests"] == 4
        assert await status(client, f"{vendor}/reset", "POST") == 204
        assert (await document(client, "/_truth/bazaar"))["requests"] == 0
        assert await status(client, vendor, "DELETE") == 204
        assert await status(client, "/bazaar/items/2") == 404
        assert await document(client, "/_control/healthz") == {"status": "ok"}


async def test_the_process_tells_its_port_and_ends_cleanly(tmp_path: Path) -> None:
    port_file, settings = tmp_path / "port", tmp_path / "settings.json"
    settings.write_text('{"vendors": {"bazaar": {"records": 3, "delay_seconds": [0.0001, 0.0001]}}}')
    arguments = ["--port-file", str(port_file), "--seed", "9", "--config", str(settings)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.simulator", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode().split()
    assert said[-1] == f"http://127.0.0.1:{port_file.read_text()}"
    async with aiohttp.ClientSession(said[-1]) as client:
        for _ in range(100):
            # Kept connections whose next request follows at once, on the loop of the process.
            assert await asyncio.gather(*(status(client, "/bazaar/items/1") for _ in range(10))) == [200] * 10
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells when a request came on Linux only")
async def test_a_request_counts_from_when_it_came_and_not_from_when_it_was_read() -> None:
    """A busy machine reads late what came in time."""
    async with serving(VendorConfig(records=10)) as base_url:
        address = ("127.0.0.1", int(base_url.rpartition(":")[2]))
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            first.sendall(b"GET /acme/items HTTP/1.1\r\nHost: acme\r\n\r\n")
            hold_the_loop(0.5)
            second.sendall(b"GET /acme/items HTTP/1.1\r\nHost: acme\r\n\r\n")
            async with aiohttp.ClientSession(base_url) as client:

                async def told() -> Any:
                    facts = await truth(client)
                    assert facts["requests"] == 2
                    return facts

                facts = await eventually(told, 10)
    assert facts["span_seconds"] > 0.4


def hold_the_loop(seconds: float) -> None:
    """Nothing is read meanwhile."""
    threading.Event().wait(seconds)
