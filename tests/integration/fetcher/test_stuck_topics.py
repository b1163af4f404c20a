"""A topic that takes no messages holds back the calls that have some for it, and no others."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from services.fetcher.call.outcome import Page, Tried, give_up, outcome_of
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.model import Claimed, Outcome
from services.fetcher.settle import sender, settle
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.catalogue import PAYLOADS_STORED, TASKS_EVENTS
from shared.events.payloads import Pointer
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging import resting
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import claim, states, wanted
from tests.integration.fetcher.takeovers import Clock
from tests.support.eventually import eventually
from tests.support.stack import Place, make_topics

FETCHER = new_id()
POINTER = Pointer(uri="x/1", sha256="0" * 64, size=2, media_type="application/json")

Break = Callable[[Topic[Any]], Awaitable[None]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(settle, "monotonic", made)
    monkeypatch.setattr(sender, "_TOGETHER_SECONDS", 1.0)
    monkeypatch.setattr(resting, "_REST_SECONDS", 0.5)
    return made


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("fetcher")


async def delete(place: Place, topic: Topic[Any]) -> None:
    """The broker takes nothing more for it."""
    name = topic.full_name(place.prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(is_gone)
    finally:
        await admin.close()


async def claimed(database: Database, count: int) -> list[Claimed]:
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(count)])
    return await claim(database, FETCHER)


def fetch(settlement: Settlement, call: Claimed) -> None:
    """A page came, so there is a pointer to it."""
    settlement.add(page_of(call), lambda: None)


def page_of(call: Claimed) -> Outcome:
    return outcome_of(call, Page(POINTER, None), Tried(utc_now(), 0.1, status=200), utc_now())


def refuse(settlement: Settlement, call: Claimed) -> None:
    settlement.add(give_up(call, "refused_400: no", Tried(utc_now(), 0.1), utc_now()), lambda: None)


async def settle_all(settlement: Settlement) -> None:
    """Write what came, send what is to be sent, and delete the rows of what was."""
    await settlement.write()
    with suppress(Unavailable):
        await settlement.send()
    await settlement.write()


async def test_calls_without_messages_for_it_are_reported_and_others_go_on_waiting(
    topics: Place, producer: Producer, reader_for: ReaderFor, database: Database, clock: Clock
) -> None:
    dead = await reader_for("fetcher.dead")
    await delete(topics, PAYLOADS_STORED)
    settlement = Settlement(database, producer, FETCHER)
    page, *others = await claimed(database, 4)
    fetch(settlement, page)
    for other in others:
        refuse(settlement, other)
        left = {page.id: "answered", **dict.fromkeys(_after(other, others), "running")}
        await eventually(partial(_are_left, settlement, database, left))
        clock.now += 2
    await eventually(lambda: len({letter["task_id"] for letter in dead.values}) == len(others), 20)
    clock.now += 60
    assert settlement.is_behind
    await settle_all(settlement)
    assert not settlement.is_behind
    assert settlement.waiting_seconds > 60

    await make_topics(topics.kafka, topics.prefix, [PAYLOADS_STORED])
    await settlement.drain(within_seconds=40)
    assert await states(database) == {}
    assert settlement.waiting_seconds == 0


async def _are_left(settlement: Settlement, database: Database, left: dict[Any, str]) -> bool:
    await settle_all(settlement)
    return await states(database) == left


def _after(call: Claimed, calls: list[Claimed]) -> list[Any]:
    return [one.id for one in calls[calls.index(call) + 1 :]]


async def test_what_waits_here_for_long_is_left_to_others_once_in_a_lease(
    topics: Place, producer: Producer, database: Database, clock: Clock
) -> None:
    """They may reach what this one does not."""
    await delete(topics, PAYLOADS_STORED)
    settlement = Settlement(database, producer, FETCHER)
    for page in await claimed(database, 3):
        fetch(settlement, page)
    await settle_all(settlement)
    clock.now += 60
    assert (settlement.waiting_seconds, await settlement.hand_over()) == (60, 3)
    assert settlement.waiting_seconds == 0


async def test_what_was_written_just_now_is_not_left_to_others(
    topics: Place, producer: Producer, database: Database, clock: Clock
) -> None:
    await delete(topics, PAYLOADS_STORED)
    settlement = Settlement(database, producer, FETCHER)
    page, other = await claimed(database, 2)
    fetch(settlement, page)
    await settle_all(settlement)
    clock.now += 60
    refuse(settlement, other)
    await settlement.write()
    assert await settlement.hand_over() == 1
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT id FROM calls WHERE fetcher_id = $1", FETCHER) == other.id


async def test_much_that_waits_here_is_left_to_others_some_at_a_time(
    topics: Place, producer: Producer, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign of life comes between."""
    await delete(topics, PAYLOADS_STORED)
    settlement = Settlement(database, producer, FETCHER)
    for page in await claimed(database, 5):
        fetch(settlement, page)
    await settle_all(settlement)
    monkeypatch.setattr(settle, "_MOST_AT_ONCE", 3)
    clock.now += 60
    assert (await settlement.hand_over(), settlement.waiting_seconds) == (3, 60)
    assert (await settlement.hand_over(), settlement.waiting_seconds) == (2, 0)


async def test_a_page_is_not_reported_before_its_task(
    topics: Place, producer: Producer, reader_for: ReaderFor, database: Database, clock: Clock
) -> None:
    stored = await reader_for("payloads.stored")
    await delete(topics, TASKS_EVENTS)
    settlement = Settlement(database, producer, FETCHER)
    [page] = await claimed(database, 1)
    fetch(settlement, page)
    for _ in range(2):
        await settle_all(settlement)
    await producer.send([Outgoing("payloads.stored", str(page.request.task_id), b"{}", ())])
    await eventually(lambda: stored.values, 20)
    assert stored.values == [{}]


async def test_no_calls_are_opened_while_much_waits_for_it(
    topics: Place, producer: Producer, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor once it was left to others, as it comes back."""
    await delete(topics, PAYLOADS_STORED)
    settlement = Settlement(database, producer, FETCHER)
    pages = await claimed(database, 3)
    monkeypatch.setattr(
        settle, "_MOST_KEPT_BYTES", 2 * sum(len(one.value or b"") for one in page_of(pages[0]).messages)
    )
    for page in pages:
        assert not settlement.is_behind
        fetch(settlement, page)
        await settle_all(settlement)
    assert settlement.is_behind
    clock.now += 60
    assert await settlement.hand_over() == 3
    await settle_all(settlement)
    assert settlement.is_behind
    await make_topics(topics.kafka, topics.prefix, [PAYLOADS_STORED])
    await settlement.drain(within_seconds=40)
    assert not settlement.is_behind


async def test_messages_are_sent_together_again_once_all_is_well(
    topics: Place, producer: Producer, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for itself costs more."""
    await delete(topics, PAYLOADS_STORED)
    settlement, send_each, alone = Settlement(database, producer, FETCHER), producer.send_each, list[object]()

    async def counting(pairs: Any, **how: Any) -> Any:
        alone.append(pairs)
        return await send_each(pairs, **how)

    monkeypatch.setattr(producer, "send_each", counting)
    first, second = await claimed(database, 2)
    fetch(settlement, first)
    await settle_all(settlement)
    assert alone
    await make_topics(topics.kafka, topics.prefix, [PAYLOADS_STORED])
    await settlement.drain(within_seconds=40)
    alone.clear()
    monkeypatch.setattr(sender, "_TOGETHER_SECONDS", 60.0)
    fetch(settlement, second)
    await settle_all(settlement)
    assert (alone, await states(database)) == ([], {})
