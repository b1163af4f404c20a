"""A topic that a user named may be gone or forbidden: that is for its own pages, and for no other's."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from services.processor.app import build
from services.processor.settings import Settings
from services.scheduler.app import build as build_scheduler
from services.scheduler.settings import Settings as SchedulerSettings
from shared.database.pool import Database
from shared.errors import Rejected
from shared.events.catalogue import PAYLOADS_STORED, records_topic
from shared.events.dead_letters import REFUSED
from shared.events.payloads import PayloadStored
from shared.ids import derived_id, new_id
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

PAGES = 20


@pytest.fixture
def store(payloads: Path) -> PayloadStore:
    return PayloadStore(payloads.as_uri())


def stored(event: PayloadStored, *headers: tuple[str, bytes]) -> Outgoing:
    made = outgoing(PAYLOADS_STORED, event.task_id, event, id=derived_id("stored", event.task_id))
    return Outgoing(made.topic, made.key, made.value, (*made.headers, *headers))


async def page_of(store: PayloadStore, source: str, number: int) -> PayloadStored:
    pointer = await store.put(new_id(), "1-0", orjson.dumps([{"id": number}]), media_type="application/json")
    return stored_payload(pointer, source=source, sinks=(TABLE, TOPIC))


def in_state(tasks: TopicReader, state: str) -> set[UUID]:
    return {UUID(event["task_id"]) for event in tasks.of_type("task.changed") if event["state"] == state}


async def pages_kept(database: Database) -> int:
    """How many pages there are whose records are kept to be sent."""
    async with database.transaction() as tx:
        sent = "SELECT count(*) FROM ledger WHERE convert_from(outgoing, 'UTF8') LIKE '%record.received%'"
        return int(await tx.fetchval(sent))


async def make_topic(place: Place, source: str) -> None:
    await stack.make_topics(place.kafka, place.prefix, wanted=[records_topic(source)])


async def delete_topic(place: Place, source: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
    await admin.start()
    await admin.delete_topics([records_topic(source).full_name(place.prefix)])
    await admin.close()


async def test_a_records_topic_that_was_deleted_holds_back_no_other_source_and_loses_no_record(
    topics: Place,
    payloads: Path,
    producer: Producer,
    reader_for: ReaderFor,
    database_for: DatabaseFor,
    store: PayloadStore,
) -> None:
    """The ledger keeps the records of a page until its topic has them, and no longer: they may be many megabytes."""
    database = await database_for("processor")

    async def are_kept(pages: int) -> bool:
        return await pages_kept(database) == pages

    for source in ("stays", "goes"):
        await make_topic(topics, source)
    tasks, retries, dead = [await reader_for(name) for name in ("tasks.events", "processor.retry", "processor.dead")]
    async with running("processor", Settings, build, topics, payloads):
        first = [await page_of(store, source, 0) for source in ("stays", "goes")]
        await producer.send([stored(page) for page in first])
        await eventually(lambda: in_state(tasks, "completed") == {page.task_id for page in first}, 40)
        await delete_topic(topics, "goes")
        stays = [await page_of(store, "stays", number) for number in range(1, PAGES + 1)]
        goes = [await page_of(store, "goes", number) for number in range(1, PAGES + 1)]
        await producer.send([stored(page) for pair in zip(stays, goes, strict=True) for page in pair])
        await eventually(lambda: in_state(tasks, "completed") >= {page.task_id for page in stays}, 60)
        await eventually(lambda: len({retry["event_id"] for retry in retries.values}) == PAGES, 60)
        assert not in_state(tasks, "completed") & {page.task_id for page in goes}
        await eventually(partial(are_kept, PAGES))
        await make_topic(topics, "goes")
        records = await reader_for("records.goes")
        async with running("scheduler", SchedulerSettings, build_scheduler, topics, payloads):
            await eventually(lambda: in_state(tasks, "completed") >= {page.task_id for page in goes}, 90)
            await eventually(partial(are_kept, 0))
    assert sorted({int(record.key) for record in records.records}) == list(range(1, PAGES + 1))
    assert not dead.records


async def test_a_page_whose_topic_never_comes_back_is_given_up_for_good(
    topics: Place, payloads: Path, producer: Producer, reader_for: ReaderFor, store: PayloadStore
) -> None:
    """And its records are not sent behind its end when its event comes once more."""
    tasks, dead = await reader_for("tasks.events"), await reader_for("processor.dead")
    page, marker = await page_of(store, "goes", 1), await page_of(store, "stays", 1)
    await make_topic(topics, "stays")
    often = stored(page, (REFUSED, b"8"))
    async with running("processor", Settings, build, topics, payloads):
        await producer.send([often])
        await eventually(lambda: in_state(tasks, "dead") == {page.task_id}, 40)
        [letter] = await eventually(lambda: dead.values, 30)
        await make_topic(topics, "goes")
        records = await reader_for("records.goes")
        await producer.send([often, stored(marker)])
        await eventually(lambda: in_state(tasks, "completed") == {marker.task_id}, 40)
        await eventually(lambda: len(dead.values) == 2, 30)
    assert (letter["reason"], letter["error"]) == ("sink_refused", "the topic does not exist")
    assert letter["task_id"] == str(page.task_id)
    assert not records.records


async def test_a_page_whose_records_are_too_large_for_its_topic_is_given_up_with_the_reason(
    topics: Place, payloads: Path, producer: Producer, reader_for: ReaderFor, store: PayloadStore
) -> None:
    """The topic was there before its source, and has limits of its own."""
    tasks, dead = await reader_for("tasks.events"), await reader_for("processor.dead")
    small = replace(records_topic("small"), max_message_bytes=100)
    await stack.make_topics(topics.kafka, topics.prefix, wanted=[small])
    page = await page_of(store, "small", 1)
    async with running("processor", Settings, build, topics, payloads):
        await producer.send([stored(page, (REFUSED, b"8"))])
        await eventually(lambda: in_state(tasks, "dead") == {page.task_id}, 40)
        [letter] = await eventually(lambda: dead.values, 30)
    assert letter["reason"] == "sink_refused"
    assert letter["error"] == "the topic takes no messages of this size (max.message.bytes)"


async def test_the_payload_of_a_page_whose_topic_is_gone_stays_until_the_page_is_given_up(
    topics: Place, payloads: Path, producer: Producer, reader_for: ReaderFor, store: PayloadStore
) -> None:
    """Although its source keeps no payloads: they are over for a page that goes to a table alone."""
    retries, page = await reader_for("processor.retry"), await page_of(store, "goes", 1)
    other = await store.put(new_id(), "1-0", orjson.dumps([{"id": 1}]), media_type="application/json")

    async def is_deleted() -> bool:
        with suppress(Rejected):
            return not await store.get(other)
        return True

    async with running("processor", Settings, build, topics, payloads):
        await producer.send([stored(page)])
        await eventually(lambda: retries.values, 40)
        await producer.send([stored(stored_payload(other))])
        await eventually(is_deleted, 40)
    assert await store.get(page.payload) == orjson.dumps([{"id": 1}])
