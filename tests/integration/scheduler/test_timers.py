"""timers.requested and the retry topics → messages at their time, once, whoever dies when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from aiokafka import ConsumerRecord

from services.scheduler.app import build
from services.scheduler.model import Timer
from services.scheduler.settings import Settings
from services.scheduler.timers import store
from services.scheduler.timers.decide import LOCKED_SECONDS
from services.scheduler.timers.loop import Fire
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.catalogue import DEAD, RETRIES, TIMERS_REQUESTED
from shared.events.dead_letters import Original, RetryRequested
from shared.events.envelope import DELIVERY, RECIPIENT, Position, Record
from shared.events.timers import TimerRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.behind import behind, proxy_to_kafka
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

CLOCK = timedelta(milliseconds=1)
"""A record's timestamp is cut to milliseconds."""


def wanted(timer_id: UUID, due_at: datetime) -> Outgoing:
    event = TimerRequested(timer_id=timer_id, due_at=due_at, topic="jobs.control", key="one", value="{}")
    return outgoing(TIMERS_REQUESTED, timer_id, event)


def cancelled(timer_id: UUID) -> Outgoing:
    return outgoing(TIMERS_REQUESTED, timer_id, TimerRequested(timer_id=timer_id, action="cancel"))


def due(count: int) -> list[Timer]:
    """Timers that are overdue, the earliest first."""
    began = utc_now() - timedelta(minutes=1)
    return [
        Timer(
            timer_id := new_id(),
            began + timedelta(milliseconds=number),
            Outgoing("jobs.control", "one", b"{}", (("ce_id", str(timer_id).encode()),)),
        )
        for number in range(count)
    ]


def ids(reader: TopicReader) -> list[str]:
    return [header(record, "ce_id") for record in reader.records]


def header(record: ConsumerRecord, name: str) -> str:
    return bytes(dict(record.headers)[name]).decode()


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("scheduler")


@pytest.fixture
async def runtime(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> AsyncIterator[Runtime[Settings]]:
    settings = topics.settings(Settings, payloads, scheduler_block=100)
    yield Runtime(settings, database, producer, PayloadStore(payloads.as_uri()))


async def keep(database: Database, timers: list[Timer]) -> None:
    async with database.transaction() as tx:
        await store.insert_timers(tx, timers)


async def pending(database: Database) -> int:
    async with database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM timers")
    return count


async def test_timers_fire_at_their_time_in_its_order_and_never_early(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    reader = await reader_for("jobs.control")
    async with running("scheduler", Settings, build, topics, payloads):
        began = utc_now()
        times = {str(new_id()): began + timedelta(seconds=2, milliseconds=40 * (number % 50)) for number in range(200)}
        await producer.send([wanted(UUID(timer_id), due_at) for timer_id, due_at in times.items()])
        await eventually(lambda: len(reader.records) == 200, 30)
    for record in reader.records:
        assert record.timestamp / 1000 >= (times[header(record, "ce_id")] - CLOCK).timestamp()
    fired = [times[timer_id] for timer_id in ids(reader)]
    assert fired == sorted(fired)
    assert len(set(ids(reader))) == 200


async def test_a_timer_set_twice_fires_once_and_a_cancelled_one_never(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    reader = await reader_for("jobs.control")
    twice, never, again, last = new_id(), new_id(), new_id(), new_id()
    async with running("scheduler", Settings, build, topics, payloads):
        soon = utc_now() + timedelta(seconds=3)
        await producer.send([wanted(twice, soon), wanted(twice, soon), wanted(never, soon), wanted(again, soon)])
        await producer.send([cancelled(never), cancelled(again), cancelled(new_id())])
        await producer.send([wanted(again, soon), wanted(last, soon + timedelta(seconds=1))])
        await eventually(lambda: str(last) in ids(reader), 30)
    assert sorted(ids(reader)) == sorted(map(str, (twice, again, last)))
    assert await pending(database) == 0


async def test_a_cancel_in_a_later_batch_takes_the_timer_back(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> None:
    timer_id = new_id()

    async def there(count: int) -> bool:
        return await pending(database) == count

    async with running("scheduler", Settings, build, topics, payloads):
        await producer.send([wanted(timer_id, utc_now() + timedelta(days=1))])
        await eventually(lambda: there(1), 30)
        await producer.send([cancelled(timer_id)])
        await eventually(lambda: there(0), 30)


async def test_a_retry_gives_the_original_back_byte_for_byte(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    reader, event_id = await reader_for("jobs.control"), new_id()
    group = f"{topics.prefix}.planner.control"
    position, headers = Position(f"{topics.prefix}.jobs.control", 0, 5), (("trace", b"\x00\x80"),)
    original = Record(position, b"\xff\x00key", b"\x00\xfe", headers, utc_now())
    event = RetryRequested(
        service="planner",
        group=group,
        event_id=event_id,
        delivery=2,
        not_before=utc_now() + timedelta(seconds=1),
        reason="bug",
        original=Original.of(original),
    )
    async with running("scheduler", Settings, build, topics, payloads):
        await producer.send([outgoing(RETRIES["planner"], event_id, event)])
        [record] = await eventually(lambda: reader.records, 30)
    assert (record.key, record.value) == (b"\xff\x00key", b"\x00\xfe")
    assert dict(record.headers)["trace"] == b"\x00\x80"
    assert (header(record, "ce_id"), header(record, DELIVERY), header(record, RECIPIENT)) == (str(event_id), "2", group)
    assert record.timestamp / 1000 >= (event.not_before - CLOCK).timestamp()


async def test_what_can_never_be_sent_is_a_dead_letter_and_its_neighbours_fire(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    reader, dead = await reader_for("jobs.control"), await reader_for(DEAD["scheduler"].name)
    good, nowhere, never = new_id(), new_id(), new_id()
    lost = TimerRequested(timer_id=nowhere, due_at=utc_now(), topic="no.such.topic", value="{}")
    async with running("scheduler", Settings, build, topics, payloads):
        await producer.send(
            [
                outgoing(TIMERS_REQUESTED, nowhere, lost),
                wanted(never, utc_now() + timedelta(days=5000)),
                wanted(good, utc_now()),
            ]
        )
        await eventually(lambda: ids(reader) == [str(good)], 30)
        await eventually(lambda: len(dead.values) == 2, 30)
    assert {letter["reason"] for letter in dead.values} == {"schema_invalid", "deadline_exceeded"}


async def test_two_replicas_share_what_is_due_and_fire_nothing_twice(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    reader, timers = await reader_for("jobs.control"), due(2000)
    await keep(database, timers)
    first, second = Fire(runtime), Fire(runtime)

    async def fire(replica: Fire) -> int:
        rounds = 0
        while await pending(database):
            rounds += await replica.step() == 0
        return rounds

    assert min(await asyncio.gather(fire(first), fire(second))) > 0
    await eventually(lambda: len(reader.records) >= 2000, 30)
    assert sorted(ids(reader)) == sorted(str(timer.id) for timer in timers)


async def test_a_replica_waits_while_another_holds_what_is_due(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    reader = await reader_for("jobs.control")
    await keep(database, due(3))
    async with database.transaction() as tx:
        await store.claim_due(tx, 100, 2**20)
        assert await Fire(runtime).step() == LOCKED_SECONDS
    assert await Fire(runtime).step() == 0
    await eventually(lambda: len(reader.records) == 3, 30)


async def test_a_topic_that_does_not_answer_holds_back_no_timers_but_its_own(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    reader, good = await reader_for("jobs.control"), due(20)
    nowhere = [replace(timer, message=replace(timer.message, topic="no.such")) for timer in due(3)]
    await keep(database, [*nowhere, *good])
    assert await Fire(runtime).step() == 0
    await eventually(lambda: len(reader.records) == 20, 30)
    assert ids(reader) == [str(timer.id) for timer in good]
    assert await pending(database) == 3
    assert await Fire(runtime).step() > 0


async def test_a_topic_that_does_not_answer_is_not_waited_for_again_and_again(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    """Each of these rounds would take three seconds."""
    reader, fire = await reader_for("jobs.control"), Fire(runtime)
    async with asyncio.timeout(40):
        for _ in range(20):
            nowhere = [replace(one, message=replace(one.message, topic="no.such")) for one in due(3)]
            await keep(database, [*nowhere, *due(5)])
            assert await fire.step() == 0
    await eventually(lambda: len(reader.records) == 100, 30)


async def test_a_replica_that_is_cut_off_from_the_broker_leaves_timers_to_the_others(
    topics: Place,
    runtime: Runtime[Settings],
    database: Database,
    reader_for: ReaderFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fails after some seconds; the others must not have to wait for what it had claimed, nor find it claimed
    again."""
    reader = await reader_for("jobs.control")
    async with proxy_to_kafka(topics.kafka, monkeypatch) as proxy:
        with behind(proxy):
            cut_off = Producer(topics.kafka, prefix=topics.prefix)
            await cut_off.open()
            await cut_off.send([timer.message for timer in due(1)])
            proxy.cut()
            fire = Fire(replace(runtime, producer=cut_off))
            await keep(database, due(20))
            with pytest.raises(Unavailable, match="Kafka"):
                await fire.step()
            assert await Fire(runtime).step() == 0
            assert await pending(database) == 0
            async with database.transaction() as tx:
                await tx.execute("LOCK TABLE timers IN ACCESS EXCLUSIVE MODE")  # whoever looks for timers waits
                with pytest.raises(Unavailable, match="Kafka"):
                    await fire.step()
        await eventually(lambda: len(reader.records) == 21, 30)
        proxy.mend()
        await cut_off.close()


async def test_a_death_between_produce_and_delete_repeats_the_same_ids(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    reader, timers = await reader_for("jobs.control"), due(20)
    await keep(database, timers)
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE timers IN SHARE MODE")  # rows may be claimed, not deleted
        dying = asyncio.create_task(Fire(runtime).step())
        await eventually(lambda: len(reader.records) == 20, 30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    assert await pending(database) == 20
    assert await Fire(runtime).step() == 0
    await eventually(lambda: len(reader.records) == 40, 30)
    expected = [str(timer.id) for timer in timers]
    assert ids(reader) == expected + expected
    assert await pending(database) == 0


async def test_a_round_reads_only_what_is_due_however_much_is_pending(database: Database) -> None:
    """Counted in pages: a filter instead of an index condition would read every pending timer in every round."""
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO timers SELECT gen_random_uuid(), now() + interval '1 day', 'jobs.control', 'k', '{}', '[]' "
            "FROM generate_series(1, 20000)"
        )
        for name, arguments in (("claim_due", (1000, 2**20)), ("find_pause", ())):
            [[plan]] = await tx.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {store.SQL[name]}", *arguments)
            assert pages(plan) < 20, plan


def pages(plan: bytes) -> int:
    top = orjson.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
