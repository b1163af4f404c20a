"""Access that an administrator takes away, on a real broker: the consumer waits, says why, and goes on when it is back.

Kafka's access control lists (KIP-11); the codes are those of its protocol.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from shared.brokers import Brokers
from shared.events.catalogue import DEAD, JOBS_CONTROL, JOBS_EVENTS, RETRIES
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.handler import Consumer
from shared.messaging.producer import Producer
from shared.messaging.shell import Shell
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.topics import Profile, create_topics
from shared.runtime.loop import Loop
from tests.conftest import DatabaseFor
from tests.integration.shared.conftest import USER, Guarded
from tests.integration.shared.shells import Seen, committed, order
from tests.support.eventually import eventually
from tests.support.stack import Place

NEEDED: Sequence[Topic[Any]] = (JOBS_CONTROL, JOBS_EVENTS, RETRIES["planner"], DEAD["planner"])
TOPIC, GROUP = 2, 3
ALL, READ, WRITE = 2, 3, 4
DENY, ALLOW = 2, 3
LITERAL = 3
ORDERS = 20
DEADLINE_SECONDS = 40


@dataclass(frozen=True)
class Denial:
    """What the platform must not do any more, to a topic or group named without its prefix."""

    kind: int
    name: str
    operation: int


@dataclass(frozen=True)
class Reading:
    """A consumer of `jobs.control`, and what sends to it."""

    seen: Seen
    subscriptions: Subscriptions
    producer: Producer

    async def send(self) -> None:
        """Some more orders."""
        await self.producer.send([order(new_id()) for _ in range(ORDERS)])

    def state(self, name: str) -> Any:
        """What the consumer says of itself."""
        return self.subscriptions.states()[0][name]

    async def handled(self, rounds: int) -> None:
        """Until as many rounds of orders are handled."""
        await eventually(lambda: len(self.seen.jobs) >= rounds * ORDERS, DEADLINE_SECONDS)


@pytest.fixture
async def reading(place: Place, guarded: Guarded, database_for: DatabaseFor) -> AsyncIterator[Reading]:
    brokers: Brokers = guarded.by("SASL_PLAINTEXT", "PLAIN")
    await create_topics(brokers, place.prefix, NEEDED, Profile(partitions=2))
    producer, seen, database = Producer(brokers, prefix=place.prefix), Seen(), await database_for("planner")
    await producer.open()
    consumer = Consumer("control", JOBS_CONTROL, seen.handle)
    subscriptions = Subscriptions(brokers, [Shell("planner", place.prefix, consumer, database, producer)])
    await subscriptions.open()
    offsets = Loop("offsets", subscriptions.commit_offsets)
    committing = asyncio.create_task(offsets.run())
    yield Reading(seen, subscriptions, producer)
    offsets.stop()
    await committing
    await subscriptions.close()
    await producer.close()


@asynccontextmanager
async def denied(place: Place, guarded: Guarded, denial: Denial) -> AsyncIterator[None]:
    """Everything else is still allowed."""
    what = (denial.kind, f"{place.prefix}.{denial.name}", LITERAL, f"User:{USER}", "*")
    admin = AIOKafkaAdminClient(bootstrap_servers=guarded.plain)
    await admin.start()
    try:
        await admin._send_request(CreateAclsRequest(*what, ALL, ALLOW))
        await admin._send_request(CreateAclsRequest(*what, denial.operation, DENY))
        yield
        await admin._send_request(DeleteAclsRequest(*what, denial.operation, DENY))
    finally:
        await admin.close()


async def test_a_topic_that_must_not_be_read_is_shown_and_read_when_it_may_be_again(
    place: Place, guarded: Guarded, reading: Reading
) -> None:
    async with denied(place, guarded, Denial(TOPIC, "jobs.control", READ)):
        await eventually(lambda: "jobs.control" in reading.state("denied"), DEADLINE_SECONDS)
        await reading.send()
    await reading.handled(1)
    await eventually(lambda: not reading.state("denied"), DEADLINE_SECONDS)
    assert len(set(reading.seen.jobs)) == len(reading.seen.jobs) == ORDERS


async def test_what_must_not_be_produced_is_kept_and_handled_once(
    place: Place, guarded: Guarded, reading: Reading
) -> None:
    async with denied(place, guarded, Denial(TOPIC, "jobs.events", WRITE)):
        await reading.send()
        await eventually(lambda: reading.state("waiting"), DEADLINE_SECONDS)
    await eventually(lambda: not reading.state("waiting") and reading.state("lag") == 0, DEADLINE_SECONDS)
    assert len(set(reading.seen.jobs)) == len(reading.seen.jobs) == ORDERS


async def test_offsets_that_must_not_be_committed_are_committed_when_they_may_be_again(
    place: Place, guarded: Guarded, reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    async with denied(place, guarded, Denial(GROUP, "planner.control", READ)):
        await reading.send()
        await eventually(lambda: "GroupAuthorizationFailed" in caplog.text, DEADLINE_SECONDS)
        await reading.handled(1)
    await reading.send()
    await reading.handled(2)
    assert len(set(reading.seen.jobs)) == len(reading.seen.jobs) == 2 * ORDERS
    at_the_broker = replace(place, kafka=guarded.plain)

    async def all_committed() -> bool:
        return await committed(at_the_broker) == 2 * ORDERS

    await eventually(all_committed, DEADLINE_SECONDS)
