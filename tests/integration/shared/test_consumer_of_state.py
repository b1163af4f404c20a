"""Configuration: what was said last of a name is in force, in every group, whatever became of what was said before."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.planner.configure.handler import sources, vendors
from services.scheduler.model import Timer
from services.scheduler.timers.decide import timer_of_retry
from shared.client.replay import Wanted, replay
from shared.database.pool import Database, Transaction
from shared.errors import Rejected
from shared.events.catalogue import SOURCES, VENDORS
from shared.events.configuration import SourceConfigured, VendorConfigured
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_VERSION, RECIPIENT, Incoming
from shared.messaging.handler import Consumer, Outgoing, Result, outgoing
from shared.messaging.producer import Producer
from shared.messaging.subscriptions import Subscriptions
from shared.runtime.clock import utc_now
from shared.specification.source import Source
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import committed, running
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

OLD, NEW = "https://old.example", "https://new.example"
ALWAYS = 1_000_000


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


@dataclass
class Flaky:
    """The planner's own handler, which cannot stand the old vendor the first few times."""

    times: int
    error: Exception
    tries: int = 0

    async def handle(self, tx: Transaction, batch: Sequence[Incoming[Any]]) -> list[Result]:
        results = await vendors.handle(tx, batch)
        if any(isinstance(one.event, VendorConfigured) and one.event.vendor.base_url == OLD for one in batch):
            self.tries += 1
            if self.tries <= self.times:
                raise self.error
        return results


def configure(
    handler: Flaky, place: Place, database: Database, producer: Producer
) -> AbstractAsyncContextManager[Subscriptions]:
    """The planner's consumer of vendors."""
    return running(Consumer("configure-vendors", VENDORS, handler.handle), place, database, producer)


def configured(base_url: str) -> Outgoing:
    """A vendor as it is from now on."""
    return outgoing(VENDORS, "acme", VendorConfigured(vendor=Vendor(vendor="acme", base_url=base_url)))


def source(name: str, text: str) -> Outgoing:
    """A source that asks for this text."""
    document = {"source": name, "vendor": "acme", "poll": {"request": {"method": "POST", "json": {"q": text}}}}
    return outgoing(SOURCES, name, SourceConfigured(source=Source.model_validate(document)))


async def in_force(database: Database) -> str | None:
    async with database.transaction() as tx:
        found: str | None = await tx.fetchval("SELECT document ->> 'base_url' FROM vendors WHERE id = 'acme'")
    return found


def sent_again(place: Place, retries: TopicReader) -> list[Outgoing]:
    """What the scheduler sends because of retries."""
    timers = [timer_of_retry(RetryRequested.model_validate(one), place.prefix, utc_now()) for one in retries.values]
    return [timer.message for timer in timers if isinstance(timer, Timer)]


async def has_done(place: Place, count: int, topic: str = "vendors") -> bool:
    return await committed(place, topic, f"configure-{topic}") == count


@pytest.mark.parametrize("times", [1, ALWAYS])
async def test_an_older_configuration_that_failed_never_comes_behind_a_newer_one(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, times: int
) -> None:
    """What is sent again comes behind what was said since; and of a name compaction would keep it alone, which means
    something to a single group."""
    retries, dead = await reader_for("planner.retry"), await reader_for("planner.dead")
    said = await reader_for("vendors")
    handler = Flaky(times, ValueError("not this one"))
    async with configure(handler, topics, database, producer):
        await producer.send([configured(OLD)])
        await eventually(lambda: has_done(topics, 1), 30)
        await producer.send([configured(NEW)])
        await eventually(lambda: has_done(topics, 2), 30)
        again = sent_again(topics, retries)
        await producer.send(again)
        await eventually(lambda: has_done(topics, 2 + len(again)), 30)
        await eventually(lambda: len(said.records) == 2 + len(again), 30)
    assert await in_force(database) == NEW
    assert RECIPIENT not in dict(said.records[-1].headers)
    assert not retries.records
    if times == 1:
        assert not dead.records
    else:
        [letter] = await eventually(lambda: dead.values, 30)
        assert (letter["reason"], letter["delivery"], handler.tries) == ("bug", 0, 4)


async def test_a_configuration_that_is_refused_is_tried_once(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    dead, handler = await reader_for("planner.dead"), Flaky(ALWAYS, Rejected("too_strange", "no"))
    async with configure(handler, topics, database, producer):
        await producer.send([configured(OLD)])
        [letter] = await eventually(lambda: dead.values, 30)
    assert (letter["reason"], handler.tries) == ("too_strange", 1)


async def test_a_configuration_with_a_nul_character_is_refused_and_holds_up_no_other(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """Any statement that looks into the documents of the table would fail at it."""
    dead = await reader_for("planner.dead")
    consumer = Consumer("configure-sources", SOURCES, sources.handle)
    async with running(consumer, topics, database, producer):
        await producer.send([source("strange", "a\0"), source("good", "a")])
        await eventually(lambda: has_done(topics, 2, "sources"), 30)
    [letter] = await eventually(lambda: dead.values, 30)
    assert letter["reason"] == "unstorable_value"
    async with database.transaction() as tx:
        assert [row["id"] for row in await tx.fetch("SELECT id FROM sources WHERE document -> 'poll' IS NOT NULL")] == [
            "good"
        ]


async def test_a_configuration_of_a_later_envelope_is_told_of_at_once_and_holds_up_no_other(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    retries, dead = await reader_for("planner.retry"), await reader_for("planner.dead")
    later = configured(OLD)
    headers = [(name, value) for name, value in later.headers if name != CE_VERSION]
    async with configure(Flaky(0, ValueError()), topics, database, producer):
        await producer.send([replace(later, headers=(*headers, (CE_VERSION, b"2.0"))), configured(NEW)])
        await eventually(lambda: has_done(topics, 2), 30)
    [letter] = await eventually(lambda: dead.values, 30)
    assert (letter["reason"], letter["delivery"]) == ("unsupported_version", 0)
    assert await in_force(database) == NEW
    assert not retries.records


async def test_what_a_bad_release_gave_up_is_published_again_in_its_order_by_a_replay(
    topics: Place, database: Database, producer: Producer
) -> None:
    async with configure(Flaky(ALWAYS, ValueError("not this one")), topics, database, producer):
        await producer.send([configured(NEW), configured(OLD)])
        await eventually(lambda: has_done(topics, 2), 30)
    assert await in_force(database) == NEW
    async with configure(Flaky(0, ValueError()), topics, database, producer):
        wanted = Wanted("vendors", "vendors", datetime.fromtimestamp(0, UTC), utc_now() + timedelta(hours=1))
        assert (await replay(topics.kafka, topics.prefix, wanted)).records == 2
        await eventually(lambda: has_done(topics, 4), 30)
    assert await in_force(database) == OLD
