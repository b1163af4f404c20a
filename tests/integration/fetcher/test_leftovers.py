"""What fetchers store that sleep or end before they can say so: it stands in nobody's way, and does not stay."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.fetcher.app import build
from services.fetcher.call.make import CallMaker
from services.fetcher.call.outcome import Page, Tried, give_up, outcome_of
from services.fetcher.call.transport import Transport
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes.mark import Marks
from services.fetcher.model import Claimed, Ended, Outcome
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Database
from shared.events.payloads import Pointer, Processing
from shared.events.tasks import AnswerWanted, Call, FetchRequested, Purpose
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.calls import claim, incoming, states
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.site_calls import configured, held
from tests.integration.fetcher.takeovers import LEASE_SECONDS, take_over
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place


class Fickle:
    """A vendor that answers differently each time, and the first time only when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def __call__(self, site: Site, writer: asyncio.StreamWriter, query: str) -> None:
        self.asked += 1
        body = b'{"items": [%d]}' % self.asked
        if self.asked == 1:
            await self.may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Fickle:
    made = Fickle()
    monkeypatch.setitem(vendors.ACTS, "/held", made)
    return made


@pytest.fixture
def store(payloads: Path) -> PayloadStore:
    return PayloadStore(payloads.as_uri())


@pytest.fixture
async def maker(store: PayloadStore) -> AsyncIterator[CallMaker]:
    transport = Transport()
    yield CallMaker(transport, store)
    await transport.close()


def asked_for(purpose: Purpose, method: str = "GET") -> Any:
    return incoming(
        FetchRequested(
            task_id=new_id(),
            job_id=new_id(),
            number=0,
            vendor="v",
            purpose=purpose,
            call=Call.model_validate({"method": method, "path": "/held"}),
            answer=AnswerWanted() if purpose == "answer" else None,
            processing=Processing(source="s"),
        )
    )


async def begin(database: Database, site: Site, fetcher_id: Any) -> Claimed:
    """The one call that waits is this fetcher's, and its vendor is known."""
    [call] = await claim(database, fetcher_id)
    document = {"vendor": "v", "base_url": site.url, "network": {"private_addresses": "allow"}}
    return replace(call, vendor=Vendor.model_validate(document))


def pointer_of(outcome: Outcome) -> Pointer:
    assert isinstance(outcome, Ended)
    told = [orjson.loads(message.value) for message in outcome.messages if message.value]
    [found] = [
        event.get("payload") or event["answer"]["body"] for event in told if {"payload", "answer"} & event.keys()
    ]
    return Pointer.model_validate(found)


def stored(payloads: Path) -> list[str]:
    return [str(file.relative_to(payloads)) for file in payloads.rglob("*") if file.is_file()]


@pytest.mark.parametrize("purpose", ["page", "answer"])
async def test_a_sleeper_that_wakes_up_replaces_nothing_that_its_heir_has_stored(
    place: Place,
    database_for: DatabaseFor,
    maker: CallMaker,
    site: Site,
    vendor: Fickle,
    payloads: Path,
    store: PayloadStore,
    purpose: Purpose,
) -> None:
    database, sleeper, heir = await database_for("fetcher"), new_id(), new_id()
    theirs, ours = (Settlement(database, Producer(place.kafka, prefix=place.prefix), one) for one in (sleeper, heir))
    async with database.transaction() as tx:
        await enqueue_calls(tx, [asked_for(purpose)])
    sleeping = asyncio.create_task(maker.make(await begin(database, site, sleeper), FREE))
    await eventually(lambda: vendor.asked == 1)
    await take_over(database, ours, heir)
    outcome = await maker.make(await begin(database, site, heir), FREE)
    ours.add(outcome, lambda: None)
    await ours.write()
    await ours.leftovers.delete(store)

    vendor.may_answer.set()
    theirs.add(await sleeping, lambda: None)
    await theirs.write()
    assert await store.get(pointer_of(outcome)) == b'{"items": [2]}'
    await theirs.leftovers.delete(store)
    assert stored(payloads) == [pointer_of(outcome).uri]


@pytest.mark.parametrize("purpose", ["page", "answer"])
async def test_what_was_stored_by_a_fetcher_that_ended_before_it_could_say_so_does_not_stay(
    place: Place,
    database_for: DatabaseFor,
    maker: CallMaker,
    site: Site,
    vendor: Fickle,
    payloads: Path,
    store: PayloadStore,
    purpose: Purpose,
) -> None:
    """Whether the call may be repeated or not."""
    database, gone, heir = await database_for("fetcher"), new_id(), new_id()
    vendor.may_answer.set()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [asked_for(purpose, "GET" if purpose == "page" else "POST")])
    call = await begin(database, site, gone)
    if not call.repeatable:
        await Marks(database, gone, LEASE_SECONDS).mark(call)
    assert [pointer_of(await maker.make(call, FREE)).uri] == stored(payloads)

    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir)
    await take_over(database, settlement, heir)
    await settlement.leftovers.delete(store)
    assert await states(database) == {call.id: "waiting" if call.repeatable else "answered"}
    assert stored(payloads) == []


async def test_the_outcome_of_a_lost_claim_is_not_reported_in_one_batch_with_that_of_a_newer_claim(
    topics: Place,
    producer: Producer,
    database_for: DatabaseFor,
    reader_for: ReaderFor,
    payloads: Path,
    store: PayloadStore,
) -> None:
    """The fetcher was cut off, another one returned its call, and the first one claimed it again."""
    reported, dead = await reader_for("tasks.events"), await reader_for("fetcher.dead")
    database, fetcher_id, other = await database_for("fetcher"), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [asked_for("page")])
    [lost] = await claim(database, fetcher_id)
    await take_over(database, Settlement(database, producer, other), other)
    [held] = await claim(database, fetcher_id)
    settlement, settled = Settlement(database, producer, fetcher_id), list[None]()
    pointers = [
        await store.put(call.request.job_id, call.payload, b"[]", media_type="application/json")
        for call in (lost, held)
    ]
    tried = Tried(utc_now(), 0.1)
    settlement.add(give_up(lost, "attempts_exhausted: 6 attempts", tried, utc_now()), lambda: settled.append(None))
    settlement.add(outcome_of(held, Page(pointers[1], None), tried, utc_now()), lambda: settled.append(None))
    await settlement.drain(within_seconds=20)
    await settlement.leftovers.delete(store)
    assert (len(settled), await states(database), stored(payloads)) == (2, {}, [pointers[1].uri])
    await eventually(lambda: {event["state"] for event in reported.values} >= {"stored", "enqueued"}, 20)
    assert [event["state"] for event in reported.values if event["state"] == "dead"] == []
    assert dead.values == []


async def test_what_a_sleeper_leaves_is_deleted_by_its_process(
    topics: Place,
    producer: Producer,
    database_for: DatabaseFor,
    reader_for: ReaderFor,
    site: Site,
    vendor: Fickle,
    payloads: Path,
    store: PayloadStore,
) -> None:
    told, database = await reader_for("payloads.stored"), await database_for("fetcher")

    async def is_made_again() -> bool:
        """While its first fetcher looks as if it slept, until the first claim has ended."""
        async with database.transaction() as tx:
            await tx.execute(
                "UPDATE fetchers SET seen_at = to_timestamp(0)"
                " WHERE id = $1 AND EXISTS (SELECT FROM calls WHERE fetcher_id = $1 AND claim = 1)",
                sleeper,
            )
        return vendor.asked == 2

    async with running("fetcher", Settings, build, topics, payloads, fetcher_lease_seconds=3):
        await producer.send([configured(site), held("never")])
        await eventually(lambda: vendor.asked == 1)
        async with database.transaction() as tx:
            sleeper = await tx.fetchval("SELECT fetcher_id FROM calls")
        async with running("fetcher", Settings, build, topics, payloads, fetcher_lease_seconds=3):
            await eventually(is_made_again, 20)
            [event] = await eventually(lambda: told.values, 20)
            pointer = Pointer.model_validate(event["payload"])
            vendor.may_answer.set()

            async def is_settled() -> bool:
                async with database.transaction() as tx:
                    return bool(await tx.fetchval("SELECT count(*) = 2 FROM attempts"))

            await eventually(is_settled, 20)
            await eventually(lambda: stored(payloads) == [pointer.uri], 20)
            assert await store.get(pointer) == b'{"items": [2]}'
            assert len(told.values) == 1
