"""webhooks.received → jobs, once each; what cannot start one is a dead letter that says why."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.planner.app import build
from services.planner.configure.handler import hooks
from services.planner.room import TooMuchAtOnce
from services.planner.settings import Settings
from services.planner.start.decide import start
from services.planner.start.handler import start_jobs
from shared.database.pool import Database
from shared.events.catalogue import HOOKS, SOURCES, VENDORS, WEBHOOKS_RECEIVED
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured
from shared.events.envelope import DELIVERY
from shared.events.webhooks import WebhookReceived
from shared.ids import new_id
from shared.messaging.handler import Outgoing, Refuse, outgoing, tombstone
from shared.messaging.producer import Producer
from shared.specification.hook import Hook
from shared.specification.source import Source
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.planner.jobs import handled, incoming
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

START = {"source": "orders", "parameters": {"id": "body.id"}, "when": "body.action == 'changed'"}
SOURCE = {"source": "orders", "vendor": "acme", "poll": {"request": {"path": "/orders/{parameters.id}"}}}


def came(body: Any, hook: str = "acme", webhook_id: UUID | None = None) -> WebhookReceived:
    return WebhookReceived(webhook_id=webhook_id or new_id(), hook=hook, body=body, received_at=datetime.now(UTC))


def received(body: Any, *, hook: str = "acme", webhook_id: UUID | None = None) -> Outgoing:
    return outgoing(WEBHOOKS_RECEIVED, hook, came(body, hook, webhook_id))


async def configure(producer: Producer, database: Database) -> None:
    hook = Hook.model_validate({"hook": "acme", "start": START})
    await producer.send(
        [
            outgoing(VENDORS, "acme", VendorConfigured(vendor=Vendor(vendor="acme", base_url="https://acme.example"))),
            outgoing(SOURCES, "orders", SourceConfigured(source=Source.model_validate(SOURCE))),
            outgoing(HOOKS, "acme", HookConfigured(hook=hook)),
            outgoing(HOOKS, "quiet", HookConfigured(hook=Hook(hook="quiet"))),
        ]
    )
    await eventually(lambda: _is_known(database), 30)
    await eventually(lambda: _count_hooks(database, 2), 30)


async def _is_known(database: Database) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM vendors) AND EXISTS (SELECT FROM sources)"))


async def _count_hooks(database: Database, expected: int) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.fetchval("SELECT count(*) FROM hooks") == expected)


async def test_a_webhook_starts_one_job_however_often_it_comes(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    jobs, fetches, dead = [await reader_for(name) for name in ("jobs.events", "fetch.requested", "planner.dead")]
    async with running("planner", Settings, build, topics, payloads):
        database = await database_for("planner")
        await configure(producer, database)
        webhook_id = new_id()
        await producer.send([received({"id": 7, "action": "changed"}, webhook_id=webhook_id) for _ in range(3)])
        await producer.send([received({"id": 8, "action": "read"}), received({"action": "changed"}, hook="quiet")])
        await producer.send([received({"action": "changed"}), received({"id": 9, "action": "changed"})])
        await eventually(lambda: len(fetches.of_type("fetch.requested")) == 2, 30)
        assert {call["call"]["path"] for call in fetches.of_type("fetch.requested")} == {"/orders/7", "/orders/9"}
        assert str(webhook_id) in {call["job_id"] for call in fetches.of_type("fetch.requested")}
        [letter] = await eventually(lambda: dead.values)
        assert letter["reason"] == "expression_failed"
        assert letter["error"].startswith("hook acme: parameter id: expected a text, number or boolean at body.id")
        await eventually(lambda: len(jobs.of_type("job.accepted")) == 2)
        await producer.send([tombstone(HOOKS, "acme")])
        await eventually(lambda: _count_hooks(database, 1), 30)


async def test_a_webhook_may_overtake_its_hook(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    """It is sent again by the scheduler, then the hook is known; without a scheduler it is seen on the way there."""
    retries = await reader_for("planner.retry")
    async with running("planner", Settings, build, topics, payloads):
        await producer.send([received({"id": 7, "action": "changed"})])
        [again] = await eventually(lambda: retries.values, 30)
        assert (again["reason"], again["delivery"]) == ("config_missing", 1)


async def test_a_hook_is_waited_for_as_long_as_a_vendor_is_and_then_told(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    retries, dead = await reader_for("planner.retry"), await reader_for("planner.dead")
    async with running("planner", Settings, build, topics, payloads):
        for delivery in (b"4", b"5"):
            webhook = received({"id": 7, "action": "changed"})
            await producer.send([replace(webhook, headers=(*webhook.headers, (DELIVERY, delivery)))])
        [again] = await eventually(lambda: retries.values, 30)
        [letter] = await eventually(lambda: dead.values, 30)
    assert (again["delivery"], letter["delivery"], letter["reason"]) == (5, 5, "config_missing")


async def test_a_hook_that_this_release_cannot_read_holds_back_no_other(database_for: DatabaseFor) -> None:
    """An older release wrote it down. It must not look like a defect, of which too many stop everything."""
    database = await database_for("planner")
    await handled(database, hooks.handle, HookConfigured(hook=Hook.model_validate({"hook": "acme", "start": START})))
    async with database.transaction() as tx:
        await tx.execute("""INSERT INTO hooks (id, document) VALUES ('old', '{"hook": "old", "was_removed": 1}')""")
        batch = [incoming(came({"id": 7, "action": "changed"}, hook)) for hook in ("old", "acme")]
        refused, asked = await start_jobs(tx, batch)
    assert isinstance(refused, Refuse)
    assert (refused.reason, refused.error) == (
        "config_missing",
        "this release cannot read the hook old, which an older one wrote down; apply it again",
    )
    assert isinstance(asked, Outgoing)
    assert asked.key == str(batch[1].event.webhook_id)


async def test_expressions_are_evaluated_beside_the_event_loop_and_not_all_in_one_transaction(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is idle meanwhile, and Postgres would end it each time."""
    database = await database_for("planner")
    await handled(database, hooks.handle, HookConfigured(hook=Hook.model_validate({"hook": "acme", "start": START})))
    seconds, threads = 0.0, set[int]()

    def slow(*arguments: Any) -> Any:
        nonlocal seconds
        seconds += 3.0
        threads.add(threading.get_ident())
        return start(*arguments)

    monkeypatch.setattr("services.planner.start.handler.start", slow)
    monkeypatch.setattr("services.planner.start.handler.monotonic", lambda: seconds)
    webhooks = [came({"id": 7, "action": "changed"}) for _ in range(4)]
    with pytest.raises(TooMuchAtOnce):
        await handled(database, start_jobs, *webhooks)
    assert seconds == 6.0
    asked = await handled(database, start_jobs, *webhooks[:2])
    assert [one.key for one in asked] == [str(one.webhook_id) for one in webhooks[:2]]
    assert threading.get_ident() not in threads
