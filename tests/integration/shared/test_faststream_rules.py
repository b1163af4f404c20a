"""What our shell takes for granted of FastStream and aiokafka and neither promises (decision 0003)."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from shared.database.pool import Database, Transaction
from shared.events.catalogue import JOBS_CONTROL
from shared.events.envelope import Incoming
from shared.events.jobs import JobControl
from shared.ids import derived_id, new_id
from shared.messaging.handler import Consumer, Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.messaging.reader import Reader
from shared.messaging.shell import Shell
from shared.messaging.subscriptions import Subscriptions
from shared.runtime.app import App, Runtime
from shared.runtime.service import Process, open_runtime
from shared.runtime.settings import ServiceSettings
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.stack import Place


@dataclass(frozen=True)
class Span:
    """One member was at work on one partition."""

    member: str
    partition: int
    began: float
    ended: float

    def overlaps(self, other: "Span") -> bool:
        apart = self.ended <= other.began or other.ended <= self.began
        return self.member != other.member and self.partition == other.partition and not apart


@dataclass
class Member:
    """A consumer that holds what it is handed for as long as it is told to, and remembers all of it."""

    name: str
    until: Callable[[], object] = lambda: True
    """A batch is held before its transaction until this is true."""
    begun: int = 0
    handed: list[UUID] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    revocations: int = 0

    async def prepare(self, batch: Sequence[Incoming[JobControl]]) -> Sequence[Incoming[JobControl]]:
        began = monotonic()
        self.begun += 1
        await eventually(self.until)
        self.handed += [incoming.event.job_id for incoming in batch]
        partitions = {incoming.record.position.partition for incoming in batch}
        self.spans += [Span(self.name, partition, began, monotonic()) for partition in partitions]
        return batch

    async def handle(self, tx: Transaction, batch: Sequence[Incoming[JobControl]]) -> list[Outgoing]:
        return []

    async def join(
        self,
        stack: AsyncExitStack,
        place: Place,
        database: Database,
        producer: Producer,
        replica: str = "",
        *,
        behaviour: str = "control",
    ) -> Subscriptions:
        shell = Shell(
            "planner",
            place.prefix,
            Consumer(behaviour, JOBS_CONTROL, self.handle, prepare=self.prepare),
            database,
            producer,
        )
        forward = shell.gate.on_partitions_revoked

        async def counted(revoked: Collection[TopicPartition]) -> None:
            self.revocations += bool(revoked)
            await forward(revoked)

        shell.gate.on_partitions_revoked = counted  # type: ignore[method-assign]
        subscriptions = Subscriptions(place.kafka, [shell], replica=replica)
        await subscriptions.open()
        stack.push_async_callback(subscriptions.close)
        return subscriptions


def _order(job_id: UUID) -> Outgoing:
    event = JobControl(job_id=job_id, action="pause")
    return outgoing(JOBS_CONTROL, job_id, event, id=derived_id("order", job_id))


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_a_member_that_joins_waits_for_the_batch_in_hand(
    topics: Place, database: Database, producer: Producer
) -> None:
    first, second = Member("first"), Member("second")
    first.until = lambda: first.revocations
    jobs = [new_id() for _ in range(40)]
    async with AsyncExitStack() as stack:
        await first.join(stack, topics, database, producer)
        await producer.send([_order(job) for job in jobs[:20]])
        await eventually(lambda: first.begun)
        await second.join(stack, topics, database, producer)
        await producer.send([_order(job) for job in jobs[20:]])
        await eventually(lambda: len(first.handed) + len(second.handed) >= len(jobs), 30)
    # Without the ledger's help: what was handed twice would have been committed too late.
    assert sorted(first.handed + second.handed) == sorted(jobs)
    assert not [(a, b) for a in first.spans for b in second.spans if a.overlaps(b)]
    assert first.revocations == 1


async def test_a_static_member_comes_back_to_its_partitions_and_nobody_else_notices(
    topics: Place, database: Database, producer: Producer
) -> None:
    first, second, again = Member("first"), Member("second"), Member("second, again")
    jobs = [new_id() for _ in range(40)]
    async with AsyncExitStack() as stack:
        one = await first.join(stack, topics, database, producer, "one")
        two = await second.join(stack, topics, database, producer, "two")
        assert two.subscribers[0].consumer is not None
        assert two.subscribers[0].consumer._group_instance_id == f"{topics.prefix}.planner.control.two.0"
        await eventually(lambda: one.states()[0]["partitions"] == two.states()[0]["partitions"] == 1, 30)
        before = first.revocations
        await two.close()
        await again.join(stack, topics, database, producer, "two")
        await producer.send([_order(job) for job in jobs])
        await eventually(lambda: len(first.handed) + len(again.handed) >= len(jobs), 30)
        assert again.handed
        assert first.revocations == before


async def test_a_member_that_should_come_back_into_its_group_is_seen_as_long_as_it_does_not(
    topics: Place, database: Database, producer: Producer
) -> None:
    async with AsyncExitStack() as stack:
        one, may_end = await _busy(stack, topics, database, producer)
        joining = asyncio.create_task(Member("newcomer").join(stack, topics, database, producer))
        await eventually(lambda: one.states()[0]["rejoining"], 30)
        may_end.set()
        await joining
        await eventually(lambda: one.states()[0]["partitions"] == 1 and not one.states()[0]["rejoining"], 30)


async def test_a_service_that_waits_to_join_stops_when_it_is_told_to(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> None:
    async with AsyncExitStack() as stack:
        one, _ = await _busy(stack, topics, database, producer)
        runtime: Runtime[ServiceSettings] = open_runtime("planner", topics.settings(ServiceSettings, payloads))
        await runtime.database.open()
        stack.push_async_callback(runtime.database.close)
        stopping, app = asyncio.Event(), App([Consumer("control", JOBS_CONTROL, Member("newcomer").handle)])
        running = asyncio.create_task(Process("planner", runtime, app).run(stopping))
        await eventually(lambda: one.states()[0]["rejoining"], 30)
        stopping.set()
        assert await asyncio.wait_for(running, 20) == 0


async def _busy(
    stack: AsyncExitStack, place: Place, database: Database, producer: Producer
) -> tuple[Subscriptions, asyncio.Event]:
    """A member that has a batch in hand until the event is set."""
    busy, at_work, may_end = Member("busy"), asyncio.Event(), asyncio.Event()

    async def held(batch: Sequence[Incoming[JobControl]]) -> Sequence[Incoming[JobControl]]:
        at_work.set()
        await may_end.wait()
        return batch

    busy.prepare = held  # type: ignore[method-assign]
    subscriptions = await busy.join(stack, place, database, producer)
    stack.callback(may_end.set)
    await producer.send([_order(new_id())])
    await at_work.wait()
    return subscriptions, may_end


async def test_two_processes_with_one_replicas_name_are_noticed(
    topics: Place, database: Database, producer: Producer
) -> None:
    """In one of two groups: now and then such a fight breaks the group at the broker, which then answers JoinGroup with
    UnknownError until all members are gone."""
    async with AsyncExitStack() as stack:
        members = [
            await Member(name).join(stack, topics, database, producer, "same", behaviour=behaviour)
            for behaviour in ("control", "replay")
            for name in ("first", "second")
        ]
        await eventually(lambda: any(member.states()[0]["contested"] for member in members), 50)


async def test_a_loop_that_crashes_stands_still_and_is_seen(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    async def crash(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("a defect")

    async with AsyncExitStack() as stack:
        monkeypatch.setattr(Reader, "getmany", crash)
        subscriptions = await Member("first").join(stack, topics, database, producer)
        await eventually(lambda: not subscriptions.states()[0]["polling"], 30)
        [crashed] = subscriptions.subscribers[0].tasks
        assert isinstance(crashed.exception(), RuntimeError)
        assert calls == 1
