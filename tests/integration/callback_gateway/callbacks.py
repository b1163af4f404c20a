"""Callbacks, the tasks that wait for them, and the handlers that match both."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from services.callback_gateway.match.handler import expect_callbacks, match_callbacks
from shared.database.pool import Database
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.events.envelope import Incoming, Position, Record
from shared.ids import new_id
from shared.specification.vendor import Callbacks

NOW = datetime.now(UTC)
RULES = Callbacks.model_validate({"vendor_job": "body.id", "outcome": {"done": "body.ok", "failed": "!body.ok"}})


def expected(task_id: UUID, **more: Any) -> Incoming[CallbackExpected]:
    fields = {"number": 0, "round": 0, "vendor": "acme", "rules": RULES, "deadline_at": NOW + timedelta(hours=1)}
    return incoming(CallbackExpected(task_id=task_id, job_id=task_id, **{**fields, **more}))


def received(task_id: UUID | None = None, vendor_job: str | None = None, **more: Any) -> Incoming[CallbackReceived]:
    body = base64.b64encode(orjson.dumps({"ok": True, "id": vendor_job or "r1"})).decode()
    fields = {"callback_id": new_id(), "vendor": "acme", "received_at": NOW, "body": body, **more}
    return incoming(CallbackReceived(task_id=task_id, vendor_job=vendor_job, **fields))


def incoming(event: Any) -> Incoming[Any]:
    value = event.model_dump_json().encode()
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, value, (), NOW))


async def run(database: Database, *steps: Incoming[Any]) -> list[dict[str, Any]]:
    """Each event in a transaction of its own; gives what was told of tasks."""
    told = []
    for one in steps:
        handler: Any = expect_callbacks if isinstance(one.event, CallbackExpected) else match_callbacks
        async with database.transaction() as tx:
            told += [orjson.loads(message.value) for message in await handler(tx, [one])]
    return told
