"""The processor from topic to rows and back, on a real broker, a real Postgres and a real folder."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from prometheus_client import REGISTRY

from services.processor.app import build
from services.processor.settings import Settings
from shared.database.pool import Database
from shared.events.catalogue import PAYLOADS_STORED, records_topic
from shared.events.envelope import DELIVERY
from shared.events.payloads import PayloadStored, Pointer
from shared.ids import new_id
from shared.messaging.dead_letter import DELIVERIES
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from tests.conftest import DatabaseFor, ReaderFor
from tests.support import stack
from tests.support.eventually import eventually
from tests.support.pages import TABLE, TOPIC, stored_payload
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

MONTH_SECONDS = 30 * 86_400


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("processor")


@pytest.fixture
def store(payloads: Path) -> PayloadStore:
    return PayloadStore(payloads.as_uri())


@pytest.fixture
async def processor(topics: Place, payloads: Path) -> AsyncIterator[None]:
    async with running("processor", Settings, build, topics, payloads):
        yield


def told(event: PayloadStored, id: UUID | None = None) -> Outgoing:
    return outgoing(PAYLOADS_STORED, event.task_id, event, id=id)


async def put(store: PayloadStore, body: bytes) -> Pointer:
    return await store.put(new_id(), "1-0", body, media_type="application/json")


async def due_seconds(database: Database) -> dict[str, float]:
    """After how many seconds each payload goes."""
    async with database.transaction() as tx:
        found = await tx.fetch("SELECT uri, extract(epoch FROM due_at - now())::float8 AS seconds FROM expiries")
    return {row["uri"]: row["seconds"] for row in found}


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        return [dict(row) for row in await tx.fetch("SELECT * FROM records.records ORDER BY source, key")]


def ends(tasks: TopicReader) -> dict[str, dict[str, Any]]:
    return {event["task_id"]: event for event in tasks.of_type("task.changed")}


def end_of(tasks: TopicReader, event: PayloadStored) -> dict[str, Any]:
    return ends(tasks)[str(event.task_id)]


async def test_a_page_becomes_rows_and_its_task_is_completed(
    processor: None, producer: Producer, reader_for: ReaderFor, database: Database, store: PayloadStore
) -> None:
    tasks = await reader_for("tasks.events")
    body = orjson.dumps({"items": [{"id": 1, "n": "a"}, {"id": 2, "n": "b"}, {"id": 1, "n": "c"}]})
    event = stored_payload(await put(store, body))
    await producer.send([told(event)])
    end = await eventually(lambda: ends(tasks)[str(event.task_id)], 40)
    assert (end["state"], end["records"], end["distinct"]) == ("completed", 3, 2)
    assert (end["service"], end["number"], end["round"]) == ("processor", event.number, event.round)
    found = await rows(database)
    assert [(row["source"], row["key"], row["record"]["n"]) for row in found] == [
        ("acme-orders", "1", "a"),
        ("acme-orders", "2", "b"),
    ]
    assert {(row["job_id"], row["task_id"]) for row in found} == {(event.job_id, event.task_id)}


async def test_bad_pages_are_dead_each_with_its_reason_and_their_neighbours_pass(
    processor: None, producer: Producer, reader_for: ReaderFor, database: Database, store: PayloadStore
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("processor.dead")
    good = [stored_payload(await put(store, orjson.dumps([{"id": number}]))) for number in range(20)]
    pointer = await put(store, b"[]")
    bad = {
        "payload_missing": stored_payload(),
        "payload_corrupt": stored_payload(pointer.model_copy(update={"sha256": "0" * 64})),
        "schema_invalid": stored_payload(pointer.model_copy(update={"uri": "../../etc/passwd"})),
        "too_large": stored_payload(pointer.model_copy(update={"size": 2**40})),
        "vendor_malformed": stored_payload(await put(store, b"<html>busy</html>")),
        "key_missing": stored_payload(await put(store, b'[{"id": null}]')),
        "unstorable_value": stored_payload(await put(store, b'[{"id": 1, "t": "\\u0000"}]')),
    }
    mixed = [*good[:10], *bad.values(), *good[10:]]
    await producer.send([told(event) for event in mixed])
    await eventually(lambda: len(ends(tasks)) == len(mixed), 40)
    assert {ends(tasks)[str(event.task_id)]["state"] for event in good} == {"completed"}
    for reason, event in bad.items():
        assert ends(tasks)[str(event.task_id)]["state"] == "dead"
        assert ends(tasks)[str(event.task_id)]["reason"].startswith(f"{reason}: ")
    await eventually(lambda: len(dead.values) == len(bad))
    assert {letter["reason"]: (letter["job_id"], letter["task_id"]) for letter in dead.values} == {
        reason: (str(event.job_id), str(event.task_id)) for reason, event in bad.items()
    }
    assert len(await rows(database)) == 20


async def test_what_a_table_refuses_is_tried_again_and_then_told(
    processor: None,
    producer: Producer,
    reader_for: ReaderFor,
    database: Database,
    store: PayloadStore,
) -> None:
    tasks, retries, dead = [await reader_for(one) for one in ("tasks.events", "processor.retry", "processor.dead")]

    async def process(*bodies: bytes, delivery: int = 0) -> list[PayloadStored]:
        events = [stored_payload(await put(store, body)) for body in bodies]
        headers = ((DELIVERY, str(delivery).encode()),)
        await producer.send([replace(one, headers=(*one.headers, *headers)) for one in map(told, events)])
        return events

    async def ended(*events: PayloadStored) -> list[str]:
        await eventually(lambda: {str(event.task_id) for event in events} <= set(ends(tasks)), 40)
        return [ends(tasks)[str(event.task_id)]["state"] for event in events]

    await ended(*await process(b'[{"id": 1}]'))
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE records.records ADD CONSTRAINT priced CHECK (record ->> 'price' <> 'secret')")
    good, _, last = await process(b'[{"id": 2}]', b'[{"id": 3, "price": "secret"}]', b'[{"id": 4}]')
    assert await ended(good, last) == ["completed", "completed"]
    [retry] = await eventually(lambda: retries.values)
    rule = "the table records refuses it: CheckViolationError (priced)"
    assert (retry["reason"], retry["error"]) == ("sink_refused", rule)
    failed = partial(REGISTRY.get_sample_value, "sluice_pages_failed_total", {"reason": "sink_refused"})
    before = failed() or 0
    [given_up] = await process(b'[{"id": 5, "price": "secret"}]', delivery=DELIVERIES - 1)
    assert await ended(given_up) == ["dead"]
    [letter] = await eventually(lambda: dead.values)
    assert (letter["reason"], letter["error"]) == ("sink_refused", rule)
    assert failed() == before + 1
    assert (await due_seconds(database))[given_up.payload.uri] == pytest.approx(MONTH_SECONDS, abs=60)


async def test_an_event_that_comes_again_is_nothing_new_even_without_its_payload(
    processor: None, producer: Producer, reader_for: ReaderFor, database: Database, store: PayloadStore
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("processor.dead")
    event, identity = stored_payload(await put(store, b'[{"id": 1}]')), new_id()
    await producer.send([told(event, identity)])
    await eventually(lambda: ends(tasks)[str(event.task_id)], 40)
    await store.delete([event.payload.uri])
    last = stored_payload(await put(store, b'[{"id": 2}]'))
    await producer.send([told(event, identity), told(event, identity), told(last)])
    await eventually(lambda: ends(tasks)[str(last.task_id)], 40)
    assert ends(tasks)[str(event.task_id)]["state"] == "completed"
    assert not dead.records
    assert len(await rows(database)) == 2


async def test_payloads_that_are_too_large_together_are_processed_one_after_the_other(
    processor: None, producer: Producer, reader_for: ReaderFor, database: Database, store: PayloadStore
) -> None:
    tasks = await reader_for("tasks.events")
    events = []
    for number in range(8):
        pointer = await put(store, orjson.dumps([{"id": number}]))
        events.append(stored_payload(pointer.model_copy(update={"size": 30 * 1024**2})))
    await producer.send([told(event) for event in events])
    await eventually(lambda: len(ends(tasks)) == len(events), 40)
    assert {end["state"] for end in ends(tasks).values()} == {"completed"}


async def test_records_are_told_once_in_a_job(
    topics: Place, processor: None, producer: Producer, reader_for: ReaderFor, store: PayloadStore
) -> None:
    await stack.make_topics(topics.kafka, topics.prefix, wanted=[records_topic("acme-orders")])
    tasks, records = await reader_for("tasks.events"), await reader_for("records.acme-orders")
    job = new_id()
    for body in (b'[{"id": 1, "n": 1}]', b'[{"id": 1, "n": 2}, {"id": 2, "n": 2}]'):
        event = stored_payload(await put(store, body), job_id=job, sinks=(TABLE, TOPIC))
        await producer.send([told(event)])
        await eventually(partial(end_of, tasks, event), 40)
    await eventually(lambda: len(records.values) == 2)
    assert sorted((event["key"], event["record"]["n"]) for event in records.values) == [("1", 1), ("2", 2)]


async def test_payloads_go_when_their_time_is_over_and_those_of_dead_pages_stay(
    processor: None, producer: Producer, reader_for: ReaderFor, database: Database, store: PayloadStore, payloads: Path
) -> None:
    tasks = await reader_for("tasks.events")
    gone = stored_payload(await put(store, b"[]"))
    kept = stored_payload(await put(store, b"[]"), keep_seconds=3600)
    dead = stored_payload(await put(store, b"<html>"))
    await producer.send([told(event) for event in (gone, kept, dead)])
    await eventually(lambda: len(ends(tasks)) == 3, 40)
    await eventually(lambda: not (payloads / gone.payload.uri).exists())
    assert (payloads / kept.payload.uri).exists()
    assert (payloads / dead.payload.uri).exists()
    due = await due_seconds(database)
    assert due[kept.payload.uri] == pytest.approx(3600, abs=60)
    assert due[dead.payload.uri] == pytest.approx(MONTH_SECONDS, abs=60)
