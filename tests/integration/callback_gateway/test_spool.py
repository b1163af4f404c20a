"""Accepted means durable: in the broker, else in the spool, else not accepted."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.callback_gateway.settings import Settings
from services.callback_gateway.spool import store
from services.callback_gateway.spool.loop import Drain
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.catalogue import JOBS_CONTROL
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.outages import AWAY, crash, drain, drain_of, without_broker
from tests.support.eventually import eventually
from tests.support.stack import Place

JOB = {"url": "https://api.example/items"}


def numbered(topic: str, key: str, count: int) -> list[Outgoing]:
    return [Outgoing(topic, key, str(number).encode(), ()) for number in range(count)]


async def waiting(database: Database) -> int:
    async with database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM spool")
    return count


async def test_a_broker_that_is_away_delays_a_job_and_loses_nothing(
    topics: Place, payloads: Path, serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    requested = await reader_for("jobs.requested")
    edge = await serve_edge(without_broker(topics))
    answer = await edge.http.post("/jobs", json=JOB)
    assert answer.status_code == 202
    assert (await edge.http.get(answer.headers["location"])).json()["status"] == "requested"
    assert not requested.records
    await drain(topics, payloads, producer, edge.database)
    await eventually(lambda: requested.values == [{"id": answer.json()["id"], **JOB}])
    async with edge.database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM spool") == 0


async def test_a_database_that_is_away_stops_no_job(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    requested = await reader_for("jobs.requested")
    edge = await serve_edge(producer, AWAY)
    assert (await edge.http.post("/jobs", json=JOB)).status_code == 202
    assert (await edge.http.post("/jobs", json={"vendor": "acme", "poll": {}})).status_code == 202
    await eventually(lambda: len(requested.records) == 2)
    assert (await edge.http.get("/jobs")).status_code == 503


async def test_what_nobody_can_keep_is_not_accepted(topics: Place, serve_edge: ServeEdge) -> None:
    edge = await serve_edge(without_broker(topics), AWAY)
    answer = await edge.http.post("/jobs", json=JOB)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_schedule_is_accepted_while_anybody_can_keep_it(
    topics: Place, payloads: Path, serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    requested = await reader_for("schedules.requested")
    hourly = {"every": "1h", "start": {"source": "orders", "parameters": {"id": 1}}}
    without_database = await serve_edge(producer, AWAY)
    first = await without_database.http.post("/schedules", json=hourly)
    assert (first.status_code, first.json()["status"]) == (202, "requested")
    await eventually(lambda: len(requested.records) == 1)
    edge = await serve_edge(without_broker(topics))
    second = await edge.http.post("/schedules", json={**hourly, "start": JOB})
    assert second.status_code == 202
    await drain(topics, payloads, producer, edge.database)
    await eventually(lambda: len(requested.records) == 2)
    assert [event["schedule_id"] for event in requested.values] == [first.json()["id"], second.json()["id"]]
    neither = await serve_edge(without_broker(topics), AWAY)
    refused = await neither.http.post("/schedules", json={**hourly, "start": JOB})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.headers["content-type"] == "application/problem+json"


async def test_an_older_word_never_comes_last(
    topics: Place, payloads: Path, serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    vendors = await reader_for("vendors")
    before = await serve_edge(without_broker(topics))
    assert (await before.http.put("/vendors/acme", json={"base_url": "https://old.example"})).status_code == 201
    after = await serve_edge(producer, before.database)
    assert (await after.http.put("/vendors/acme", json={"base_url": "https://new.example"})).status_code == 200
    assert (await after.http.put("/vendors/other", json={"base_url": "https://other.example"})).status_code == 201
    await eventually(lambda: len(vendors.values) == 1)
    await drain(topics, payloads, producer, before.database)
    await eventually(lambda: len(vendors.values) == 3)
    told = [value["vendor"]["base_url"] for value in vendors.values if value["vendor"]["vendor"] == "acme"]
    assert told == ["https://old.example", "https://new.example"]


async def test_newer_messages_wait_behind_those_that_the_spool_holds_under_their_key(
    topics: Place, payloads: Path, producer: Producer, database_for: DatabaseFor, reader_for: ReaderFor
) -> None:
    """Another gateway spooled the first."""
    reader, database = await reader_for("webhooks.received"), await database_for("callback-gateway")
    first, second, third = numbered("webhooks.received", "acme", 3)
    assert not await Outbound(without_broker(topics), database, 1).send([first])
    outbound = Outbound(producer, database, 1)
    assert not await outbound.send([second])
    assert await outbound.send(numbered("webhooks.received", "other", 1))
    runtime: Runtime[Any] = Runtime(topics.settings(Settings, payloads), database, producer, PayloadStore("memory://"))
    loop = Drain(runtime, outbound)
    for _ in range(2):
        await loop.step()
    assert await outbound.send([third])
    await eventually(lambda: len(reader.records) == 4)
    assert [record.value for record in reader.records if record.key == b"acme"] == [b"0", b"1", b"2"]


async def test_a_crash_before_the_deletion_sends_the_same_once_more(
    edge: Served,
    place: Place,
    payloads: Path,
    producer: Producer,
    reader_for: ReaderFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, database = await reader_for("jobs.control"), edge.database
    jobs = [new_id() for _ in range(20)]
    async with database.transaction() as tx:
        await store.insert_messages(
            tx, [outgoing(JOBS_CONTROL, one, JobControl(job_id=one, action="pause")) for one in jobs]
        )
    with monkeypatch.context() as patched:
        patched.setattr(store, "delete_messages", crash)
        with pytest.raises(Unavailable, match="died"):
            await drain(place, payloads, producer, database)
    assert await waiting(database) == 20
    await drain(place, payloads, producer, database)
    assert await waiting(database) == 0
    await eventually(lambda: len(reader.records) >= 40)
    again = Counter((record.key, record.value, record.headers) for record in reader.records)
    assert sorted(again.values()) == [2] * 20


async def test_a_topic_that_does_not_answer_holds_back_no_messages_but_its_own(
    topics: Place, payloads: Path, producer: Producer, database_for: DatabaseFor, reader_for: ReaderFor
) -> None:
    """However many they are, and however old."""
    reader, database = await reader_for("jobs.control"), await database_for("callback-gateway")
    first, rest = numbered("jobs.control", "one", 3), numbered("jobs.control", "two", 3)
    async with database.transaction() as tx:
        await store.insert_messages(tx, [*first, *numbered("no.such", "one", 600), *rest])
    loop = drain_of(topics, payloads, producer, database)
    assert await loop.step() == 0
    assert await waiting(database) == 603
    await loop.step()
    assert await waiting(database) == 600
    await eventually(lambda: len(reader.records) == 6)
    assert [record.value for record in reader.records if record.key == b"two"] == [b"0", b"1", b"2"]


async def test_what_is_behind_very_many_stuck_keys_does_not_wait_for_each_block_of_them(
    topics: Place, payloads: Path, producer: Producer, database_for: DatabaseFor, reader_for: ReaderFor
) -> None:
    """What rests at first would be due again before all of them had been tried."""
    reader, database = await reader_for("jobs.control"), await database_for("callback-gateway")
    stuck = [message for number in range(1600) for message in numbered("no.such", str(number), 1)]
    async with database.transaction() as tx:
        await store.insert_messages(tx, [*stuck, *numbered("jobs.control", "two", 3)])
    loop = drain_of(topics, payloads, producer, database)
    async with asyncio.timeout(60):
        while await waiting(database) > len(stuck):
            with suppress(Unavailable):
                await loop.step()
    await eventually(lambda: len(reader.records) == 3)


async def test_when_nothing_is_acknowledged_nothing_is_forgotten(
    topics: Place, payloads: Path, producer: Producer, database_for: DatabaseFor
) -> None:
    database = await database_for("callback-gateway")
    async with database.transaction() as tx:
        await store.insert_messages(tx, numbered("no.such", "one", 2))
    loop = drain_of(topics, payloads, producer, database)
    with pytest.raises(Unavailable, match="none of 2"):
        await loop.step()
    assert await loop.step() > 0
    assert await waiting(database) == 2


async def test_a_topic_that_does_not_answer_sends_no_other_into_the_spool(
    topics: Place, producer: Producer, database_for: DatabaseFor, reader_for: ReaderFor
) -> None:
    reader, database = await reader_for("jobs.control"), await database_for("callback-gateway")
    outbound = Outbound(producer, database, produce_seconds=5)
    assert not await outbound.send(numbered("no.such", "one", 1))
    assert await outbound.send(numbered("jobs.control", "one", 1))
    assert await waiting(database) == 1
    await eventually(lambda: len(reader.records) == 1)
