"""A shell with a handler that remembers, for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.database.pool import Database, Transaction
from shared.events.catalogue import JOBS_CONTROL, JOBS_EVENTS
from shared.events.envelope import Incoming, Position, Record
from shared.events.jobs import JobControl, JobCounts, JobProgressed, JobState
from shared.ids import derived_id, new_id
from shared.messaging.handler import Consumer, Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.messaging.shell import Limits, Shell
from shared.messaging.subscriptions import Subscriptions
from shared.runtime.clock import utc_now
from shared.runtime.loop import Loop
from tests.support.stack import Place


@dataclass
class Seen:
    """A handler that remembers, answers each event with one of its own, and fails on demand."""

    jobs: list[UUID] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    fails: Callable[[JobControl], None] = lambda event: None

    async def handle(self, tx: Transaction, batch: Sequence[Incoming[JobControl]]) -> list[Outgoing]:
        for incoming in batch:
            self.fails(incoming.event)
        self.batches.append(len(batch))
        self.jobs += [incoming.event.job_id for incoming in batch]
        return [answer(incoming.event.job_id) for incoming in batch]


def incoming() -> Incoming[JobControl]:
    """An event as the shell hands it to the ledger."""
    record = Record(Position("jobs.control", 0, 0), b"", b"", (), utc_now())
    return Incoming(JobControl(job_id=new_id(), action="pause"), new_id(), 0, record)


def answer(job_id: UUID) -> Outgoing:
    """What the handler sends because of an order."""
    event = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(), at=utc_now())
    return outgoing(JOBS_EVENTS, job_id, event)


def order(job_id: UUID, **headers: bytes) -> Outgoing:
    """An event for the handler, with the same id whenever it is made for the same job."""
    made = outgoing(JOBS_CONTROL, job_id, JobControl(job_id=job_id, action="pause"), id=derived_id("order", job_id))
    return Outgoing(made.topic, made.key, made.value, (*made.headers, *headers.items()))


@asynccontextmanager
async def shell(
    seen: Seen, place: Place, database: Database, producer: Producer, **limits: Any
) -> AsyncIterator[Subscriptions]:
    """A running consumer of `jobs.control`; `limits` are the fields of `Limits`."""
    control = Consumer("control", JOBS_CONTROL, seen.handle)
    async with running(control, place, database, producer, **limits) as subscriptions:
        yield subscriptions


@asynccontextmanager
async def running(
    consumer: Consumer[Any], place: Place, database: Database, producer: Producer, **limits: Any
) -> AsyncIterator[Subscriptions]:
    """A running consumer of the planner's."""
    made = Shell("planner", place.prefix, consumer, database, producer, limits=Limits(**limits))
    subscriptions = Subscriptions(place.kafka, [made])
    offsets = Loop("offsets", subscriptions.commit_offsets)
    await subscriptions.open()
    committing = asyncio.create_task(offsets.run())
    try:
        yield subscriptions
    finally:
        offsets.stop()
        await committing
        await subscriptions.close()


async def committed(place: Place, name: str = "jobs.control", behaviour: str = "control") -> int:
    """The sum of the planner's committed offsets in a topic."""
    topic = f"{place.prefix}.{name}"
    consumer = AIOKafkaConsumer(bootstrap_servers=place.kafka, group_id=f"{place.prefix}.planner.{behaviour}")
    await consumer.start()
    try:
        offsets = [await consumer.committed(TopicPartition(topic, number)) for number in range(2)]
    finally:
        await consumer.stop()
    return sum(offset or 0 for offset in offsets)
