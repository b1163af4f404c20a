"""Strangers who come in crowds do not fill the memory of the edge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prometheus_client import REGISTRY

from shared.messaging.producer import Producer
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.raw_http import spoken
from tests.support.eventually import eventually

LIMIT = 40_000
HEAD = b"POST /in/orders HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
ANNOUNCED = HEAD + b"Content-Length: %d\r\n\r\n" % LIMIT
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % LIMIT + b"x" * LIMIT + b"\r\n"
REFUSED = b"HTTP/1.1 503 "


async def test_beyond_what_is_held_at_once_a_body_is_refused(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await crowded(serve_edge, producer)
    held_before = held()
    async with half_sent(edge) as one:
        await eventually(lambda: held() - held_before == LIMIT - 1)
        for request in (ANNOUNCED, CHUNKED):
            answer = await spoken(edge.port, request)
            assert answer.startswith(REFUSED)
            assert b"retry-after: " in answer
            assert b"content-type: application/problem+json" in answer
        small = await edge.http.post("/in/orders", content=b"small")
        assert small.status_code == 202
        assert (await answered(one, b"x")).startswith(b"HTTP/1.1 202 ")
    await eventually(lambda: held() == held_before)
    assert (await edge.http.post("/in/orders", content=b"x" * LIMIT)).status_code == 202


async def test_who_goes_away_in_the_middle_leaves_its_place(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await crowded(serve_edge, producer)
    held_before = held()
    async with half_sent(edge):
        await eventually(lambda: held() - held_before == LIMIT - 1)
    await eventually(lambda: held() == held_before)


async def test_what_is_only_announced_takes_no_place(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await crowded(serve_edge, producer)
    async with opened(edge, ANNOUNCED), opened(edge, ANNOUNCED), opened(edge, ANNOUNCED):
        assert (await edge.http.post("/in/orders", content=b"x" * LIMIT)).status_code == 202


async def test_who_waits_for_a_job_holds_no_body(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await crowded(serve_edge, producer)
    held_before = held()
    body = b'{"url": "https://a.example"}' + b" " * (LIMIT - 100)
    headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
    waiting = asyncio.create_task(edge.http.post("/jobs", content=body, headers=headers))
    await eventually(lambda: REGISTRY.get_sample_value("sluice_waiting_requests") == 1)
    assert held() == held_before
    waiting.cancel()


async def test_a_connection_too_many_is_refused_and_others_go_on(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, gateway_connections=3)
    async with opened(edge, b""), opened(edge, b""), httpx.AsyncClient(base_url=edge.http.base_url) as late:
        refused = await eventually(lambda: asked_in_vain(late))
        assert refused is not None
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
        assert (await edge.http.get("/openapi.json")).status_code == 200
    async with httpx.AsyncClient(base_url=edge.http.base_url) as late:
        await eventually(lambda: asked(late))


async def crowded(serve_edge: ServeEdge, producer: Producer) -> Served:
    """An edge that holds one body of the largest size and a little of a second one."""
    edge = await serve_edge(producer, gateway_body_bytes=LIMIT, gateway_held_bytes=50_000)
    assert (await edge.http.put("/hooks/orders", json={"hook": "orders"})).status_code == 201
    return edge


def held() -> float:
    """The bytes that are held now."""
    return REGISTRY.get_sample_value("sluice_http_body_bytes") or 0.0


async def asked(http: httpx.AsyncClient) -> bool:
    return (await http.get("/openapi.json")).status_code == 200


async def asked_in_vain(http: httpx.AsyncClient) -> httpx.Response | None:
    """The answer, once it is a refusal: a connection that was opened before may still be under way."""
    answer = await http.get("/openapi.json", headers={"Connection": "close"})
    return answer if answer.status_code == 503 else None


@asynccontextmanager
async def opened(edge: Served, sent: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which so much has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def half_sent(edge: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with opened(edge, ANNOUNCED + b"x" * (LIMIT - 1)) as connection:
        yield connection


async def answered(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], rest: bytes) -> bytes:
    reader, writer = connection
    writer.write(rest)
    async with asyncio.timeout(30):
        return await reader.read(2000)
