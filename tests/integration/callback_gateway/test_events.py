"""Following a job: every event once, resumable, over at the end."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from services.callback_gateway.http import follow as looks
from services.callback_gateway.http.routes import events
from services.callback_gateway.keys.key import make_key
from services.callback_gateway.keys.store import insert_key
from shared.ids import new_id
from shared.messaging.producer import Producer
from tests.integration.callback_gateway.conftest import ServeEdge
from tests.integration.callback_gateway.job_events import accepted, ended, planned
from tests.support.eventually import eventually


async def follow(gateway: httpx.AsyncClient, job_id: UUID, after: str = "") -> AsyncGenerator[tuple[str, str], None]:
    """Numbers and names of a job's events."""
    headers = {"Last-Event-ID": after} if after else {}
    async with gateway.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        number = ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                number = line.removeprefix("id: ")
            if line.startswith("event: "):
                yield number, line.removeprefix("event: ")


async def seen(gateway: httpx.AsyncClient, producer: Producer) -> UUID:
    """A job that the gateway shows."""
    job_id = new_id()
    await producer.send([accepted(job_id)])

    async def shown() -> bool:
        return (await gateway.get(f"/jobs/{job_id}")).status_code == 200

    await eventually(shown, 30)
    return job_id


async def test_a_stream_tells_everything_and_ends_with_the_job(gateway: httpx.AsyncClient, producer: Producer) -> None:
    job_id = await seen(gateway, producer)

    async def read() -> list[tuple[str, str]]:
        return [event async for event in follow(gateway, job_id)]

    reading = [asyncio.create_task(read()) for _ in range(20)]
    await producer.send([planned(job_id), ended(job_id)])
    told = await asyncio.wait_for(asyncio.gather(*reading), 20)
    assert [name for _, name in told[0]] == ["job.accepted", "job.planned", "job.completed"]
    assert all(one == told[0] for one in told)
    numbers = [int(number) for number, _ in told[0]]
    assert numbers == sorted(set(numbers))
    again = [name async for _, name in follow(gateway, job_id, told[0][0][0])]
    assert again == ["job.planned", "job.completed"]
    over = await gateway.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": told[0][-1][0]})
    assert over.status_code == 204


async def test_events_reach_their_reader_at_once(
    gateway: httpx.AsyncClient, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look from time to time, which would find them, too."""
    monkeypatch.setattr(looks, "LOOK_SECONDS", 600.0)
    monkeypatch.setattr(events, "_KEEP_ALIVE_SECONDS", 600.0)
    job_id = await seen(gateway, producer)
    following = follow(gateway, job_id)
    assert (await anext(following))[1] == "job.accepted"
    async with asyncio.timeout(60):
        for _ in range(10):
            await producer.send([planned(job_id)])
            assert (await anext(following))[1] == "job.planned"
    await following.aclose()


async def test_a_stream_ends_with_the_job_though_its_beginning_was_told_after_its_end(
    gateway: httpx.AsyncClient, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_KEEP_ALIVE_SECONDS", 0.5)
    job_id = await seen(gateway, producer)
    await producer.send([ended(job_id), planned(job_id)])

    async def read() -> list[str]:
        return [name async for _, name in follow(gateway, job_id)]

    told = await asyncio.wait_for(read(), 20)
    assert told == ["job.accepted", "job.completed", "job.planned"]


async def test_a_stream_that_begins_behind_the_end_ends_once_a_redrive_had_no_effect(
    serve_edge: ServeEdge, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_KEEP_ALIVE_SECONDS", 0.2)
    monkeypatch.setattr(events, "_REDRIVE_SECONDS", 1.0)
    edge, job_id = await serve_edge(producer), new_id()
    async with edge.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO jobs (id, state, kind, failed, ended_at, redrive_asked_at)
            VALUES ($1, 'failed', 'poll', 1, now(), now())""",
            job_id,
        )
        sequence = await tx.fetchval(
            "INSERT INTO job_events (job_id, type, data) VALUES ($1, 'job.failed', '{}') RETURNING sequence", job_id
        )

    async def read() -> int:
        answer = await edge.http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(sequence)})
        return answer.status_code

    assert await asyncio.wait_for(read(), 20) in (200, 204)
    assert await read() == 204


async def test_so_many_may_follow_at_once(serve_edge: ServeEdge, producer: Producer) -> None:
    edge, job_id = await serve_edge(producer, gateway_streams=1), new_id()
    async with edge.database.transaction() as tx:
        await tx.execute("INSERT INTO jobs (id, state, kind) VALUES ($1, 'running', 'poll')", job_id)
    place = f"/jobs/{job_id}/events"

    async def is_let_in() -> bool:
        async with edge.http.stream("GET", place) as answer:
            return answer.status_code == 200

    for _ in range(2):
        async with edge.http.stream("GET", place) as first:
            assert first.status_code == 200
            async with edge.http.stream("GET", place) as more:
                assert (more.status_code, more.headers.get("retry-after")) == (503, "5")
                assert more.headers["content-type"] == "application/problem+json"
        await eventually(is_let_in)
        await eventually(lambda: _open_streams() == 0)


async def test_one_key_does_not_take_every_stream(serve_edge: ServeEdge, producer: Producer) -> None:
    edge, job_id = await serve_edge(producer, gateway_streams=2, gateway_api_keys="required"), new_id()
    keys = [make_key("a test", frozenset({"jobs:read"}), secrets.token_bytes) for _ in range(2)]
    async with edge.database.transaction() as tx:
        await tx.execute("INSERT INTO jobs (id, state, kind) VALUES ($1, 'running', 'poll')", job_id)
        for _, key in keys:
            await insert_key(tx, key)
    greedy, other = ({"Authorization": f"Bearer {text}"} for text, _ in keys)
    place, statuses = f"/jobs/{job_id}/events", []
    async with edge.http.stream("GET", place, headers=greedy) as first:
        statuses.append(first.status_code)
        for headers in (greedy, other):
            async with edge.http.stream("GET", place, headers=headers) as answer:
                statuses.append(answer.status_code)
    assert statuses == [200, 503, 200]


def _open_streams() -> float | None:
    return REGISTRY.get_sample_value("sluice_event_streams")
