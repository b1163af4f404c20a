"""What comes in between two statements of the gateway. Each test holds a lock, or does itself what comes in between."""

import asyncio
from typing import Any

import pytest

from services.callback_gateway.configure.announce import Announcement
from services.callback_gateway.configure.handler import vendors
from services.callback_gateway.configure.store import find_documents
from services.callback_gateway.schedules.loop import ExpireSchedules
from services.callback_gateway.spool.outbound import Outbound
from services.callback_gateway.views.handler import view_dead_letters, view_tasks
from shared.database.pool import Database, Transaction
from shared.events.catalogue import VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import Incoming, Position, Record, Removed, event_id
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested, TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging import ledger
from shared.messaging.handler import Outgoing, outgoing, tombstone
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.locks import waiting


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("callback-gateway")


async def test_a_schedule_that_is_asked_for_again_is_not_forgotten(database: Database) -> None:
    schedule_id = new_id()
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO schedules (id, state, changed_at) SELECT id, 'removed', now() - interval '40 days'
            FROM unnest($1::uuid[]) AS given (id)""",
            [schedule_id, new_id()],
        )
    async with database.transaction() as tx:
        await tx.execute("UPDATE schedules SET state = 'active', changed_at = now() WHERE id = $1", schedule_id)
        expiring = asyncio.create_task(ExpireSchedules(database).step())
        await eventually(lambda: _is_done_or_waits(expiring, database))
    await expiring
    async with database.transaction() as tx:
        assert [row["id"] for row in await tx.fetch("SELECT id FROM schedules")] == [schedule_id]


async def _is_done_or_waits(task: "asyncio.Task[Any]", database: Database) -> bool:
    return task.done() or bool(await waiting(database))


@pytest.mark.parametrize("first", ["task", "letter"])
async def test_the_letter_of_a_task_that_is_planned_again_meanwhile_is_not_open(database: Database, first: str) -> None:
    """Neither sees what the other one has written and not yet committed."""
    letter, planned = dead_letter_and_next_round()
    handlers: list[tuple[Any, Any]] = [(view_tasks, planned), (view_dead_letters, letter)]
    (one, event), (other, following) = handlers if first == "task" else handlers[::-1]
    async with database.transaction() as tx:
        await one(tx, [incoming(event)])
        second = asyncio.create_task(handled(database, other, following))
        await eventually(lambda: _is_done_or_waits(second, database))
    await second
    async with database.transaction() as tx:
        assert [row["state"] for row in await tx.fetch("SELECT state FROM dead_letters")] == ["redriven"]


def dead_letter_and_next_round() -> tuple[DeadLetter, TaskChanged]:
    """What is told of a call that was given up, and that its task was planned again."""
    task_id, job_id = new_id(), new_id()
    place = {"task_id": task_id, "job_id": job_id, "number": 0}
    processing = Processing(source="s", keep_seconds=0)
    call = FetchRequested(**place, vendor="acme", call=Call(), processing=processing)
    record = Record(Position("fetch.requested", 0, 0), b"k", call.model_dump_json().encode(), (), utc_now())
    letter = DeadLetter(
        service="fetcher",
        group="g",
        event_id=new_id(),
        delivery=0,
        reason="refused_404",
        error="",
        job_id=job_id,
        task_id=task_id,
        at=utc_now(),
        original=Original.of(record),
    )
    return letter, TaskChanged(**place, round=1, state=TaskState.PLANNED, service="planner", at=utc_now())


def incoming(event: Any) -> Incoming[Any]:
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, b"", (), utc_now()))


async def handled(database: Database, handler: Any, event: Any) -> None:
    async with database.transaction() as tx:
        await handler(tx, [incoming(event)])


OLD = Vendor(vendor="acme", base_url="https://old.example")
NEW = Vendor(vendor="acme", base_url="https://new.example")


def read(message: Outgoing, event: Removed | VendorConfigured) -> Incoming[Removed | VendorConfigured]:
    """A change as the consumer has it."""
    record = Record(Position("t", 0, 0), b"acme", message.value, message.headers, utc_now())
    return Incoming(event, event_id(record), 0, record)


def put(vendor: Vendor) -> tuple[Outgoing, VendorConfigured]:
    """A change, and what is told of it."""
    event = VendorConfigured(vendor=vendor)
    return outgoing(VENDORS, "acme", event), event


@pytest.mark.parametrize("change", [put(OLD), (tombstone(VENDORS, "acme"), Removed(key="acme"))])
async def test_a_change_that_the_consumer_came_to_after_all_does_not_undo_the_next_one(
    database: Database, producer: Producer, change: tuple[Outgoing, Removed | VendorConfigured]
) -> None:
    """It was given up waiting for, and before it is written both come."""
    batch = [read(*change), read(*put(NEW))]

    async def apply(tx: Transaction) -> None:
        async with database.transaction() as other:
            await ledger.record_events(other, "configure-vendors", batch)
            await vendors.handle(other, batch)
        if isinstance(change[1], Removed):
            await vendors.remove(tx, ["acme"])
        else:
            await vendors.put(tx, {"acme": OLD})

    announcement = Announcement(database, Outbound(producer, database, 5), within_seconds=0)
    await announcement.tell("vendors", change[0], apply)
    async with database.transaction() as tx:
        assert [found["base_url"] for found in await find_documents(tx, "vendors")] == [NEW.base_url]
