"""`Prefer: wait`: so many may wait at once, and each wait ends."""

import asyncio
from pathlib import Path

import httpx
from prometheus_client import REGISTRY

from infra.local.ports import free_port
from services.callback_gateway.app import build
from services.callback_gateway.settings import Settings
from shared.ids import new_id
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import ServeEdge
from tests.integration.callback_gateway.job_events import accepted, ended
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

DOCUMENT = {"url": "https://api.example/items"}


async def test_whoever_finds_no_place_to_wait_is_answered_at_once(
    topics: Place, payloads: Path, producer: Producer
) -> None:
    port, first_id, second_id = free_port(), new_id(), new_id()
    async with (
        running("callback-gateway", Settings, build, topics, payloads, gateway_port=port, gateway_waits=1),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http,
    ):
        await eventually(lambda: http.get("/jobs"))

        async def ask(wait: int, **more: str) -> httpx.Response:
            return await http.post("/jobs", json={**DOCUMENT, **more}, headers={"Prefer": f"wait={wait}"})

        first = asyncio.create_task(ask(50, id=str(first_id)))
        await eventually(lambda: REGISTRY.get_sample_value("sluice_waiting_requests") == 1)
        assert REGISTRY.get_sample_value("sluice_event_streams") == 0
        second = await ask(50, id=str(second_id))
        assert (second.status_code, second.headers["location"]) == (202, f"/jobs/{second_id}")
        assert "preference-applied" not in second.headers
        await producer.send([accepted(first_id), ended(first_id)])
        answer = await first
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert REGISTRY.get_sample_value("sluice_waiting_requests") == 0
        assert (await ask(1)).status_code == 202


async def test_a_client_that_hangs_up_leaves_its_place_to_another(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, gateway_waits=1, gateway_wait_seconds=600)
    body = b'{"url": "https://api.example/items"}'
    head = f"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nPrefer: wait=600\r\nContent-Length: {len(body)}\r\n"
    for _ in range(2):
        _, client = await asyncio.open_connection("127.0.0.1", edge.port)
        client.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        await eventually(lambda: REGISTRY.get_sample_value("sluice_waiting_requests") == 1)
        client.close()
        await eventually(lambda: REGISTRY.get_sample_value("sluice_waiting_requests") == 0)


async def test_a_job_that_is_durable_is_never_to_be_sent_again(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    requested, edge, job_id = await reader_for("jobs.requested"), await serve_edge(producer), new_id()
    await edge.database.close()
    document = {**DOCUMENT, "id": str(job_id)}
    answer = await edge.http.post("/jobs", json=document, headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{job_id}")
    await eventually(lambda: document in requested.values)
    assert (await edge.http.get(f"/jobs/{job_id}/answer")).status_code == 503
