"""What is large and waits is held in memory a little at a time."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.callback_gateway.match import handler
from services.callback_gateway.match import store as callbacks
from services.callback_gateway.match.decide import Judged, judge_all
from services.callback_gateway.match.loop import Unmatched
from services.callback_gateway.redrive.loop import Redrive
from services.callback_gateway.schedules import store as schedules
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool import store as spool
from services.callback_gateway.spool.loop import Drain
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.events.callbacks import CallbackReceived
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from tests.conftest import DatabaseFor
from tests.integration.callback_gateway.callbacks import NOW, expected, received, run
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of
from tests.support.stack import Place

COUNT, LARGE = 20, "x" * 1_000_000
"""In one letter over and over: what is kept of it is small, what is read is not."""


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("callback-gateway")


@pytest.fixture
def runtime(topics: Place, database: Database, producer: Producer, payloads: Path) -> Runtime[Any]:
    return Runtime(topics.settings(Settings, payloads), database, producer, PayloadStore("memory://"))


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        found: int = await tx.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def keep_spooled(database: Database, prefix: str) -> str:
    async with database.transaction() as tx:
        await spool.insert_messages(tx, [Outgoing("jobs.control", "one", LARGE.encode(), ())] * COUNT)
    return "spool"


def drain(runtime: Runtime[Any]) -> Drain:
    return Drain(runtime, Outbound(runtime.producer, runtime.database, 1))


async def keep_parked(database: Database, prefix: str) -> str:
    letter = letter_of(prefix, value=LARGE.encode())
    came = [CallbackReceived(callback_id=new_id(), vendor="acme", received_at=NOW, body="") for _ in range(COUNT)]
    async with database.transaction() as tx:
        await callbacks.upsert_callbacks(
            tx, [Judged(one, "parked") for one in came], dict.fromkeys([one.callback_id for one in came], letter)
        )
        await tx.execute("UPDATE callbacks SET parked_at = parked_at - interval '2 hours'")
    return "callbacks WHERE verdict = 'parked'"


async def keep_redriven(database: Database, prefix: str) -> str:
    await keep(database, *(letter_of(prefix, value=LARGE.encode()) for _ in range(COUNT)))
    async with database.transaction() as tx:
        await tx.execute("UPDATE dead_letters SET state = 'redriving', due_at = now()")
    return "dead_letters WHERE state = 'redriving'"


@pytest.mark.parametrize(
    ("keep_large", "loop"), [(keep_spooled, drain), (keep_parked, Unmatched), (keep_redriven, Redrive)]
)
async def test_what_waits_to_be_sent_goes_in_several_rounds(runtime: Runtime[Any], keep_large: Any, loop: Any) -> None:
    waiting, sending = await keep_large(runtime.database, runtime.settings.topic_prefix), loop(runtime)
    assert await sending.step() == 0
    assert 0 < await count(runtime.database, waiting) < COUNT
    async with asyncio.timeout(30):
        while await sending.step() == 0:
            pass
    assert await count(runtime.database, waiting) == 0


async def test_large_callbacks_that_came_before_their_task_are_judged_in_several_rounds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vendor may call back a thousand times before the answer to its submit names the job."""
    body = base64.b64encode(b'{"ok": true, "more": "%s"}' % LARGE.encode()).decode()
    came = [received(vendor_job="x", received_at=NOW + timedelta(seconds=n), body=body) for n in range(COUNT)]
    small = received(vendor_job="x", received_at=NOW + timedelta(seconds=COUNT))
    await run(database, *reversed(came), small)
    rounds: list[int] = []

    def counted(callbacks: Sequence[CallbackReceived], *known: Any) -> list[Judged]:
        rounds.append(len(callbacks))
        return judge_all(callbacks, *known)

    monkeypatch.setattr(handler, "judge_all", counted)
    told = await run(database, expected(new_id(), vendor_job="x"))
    assert (len(told), sum(rounds)) == (1, COUNT + 1)
    assert max(rounds) < COUNT
    async with database.transaction() as tx:
        found = await tx.fetch("SELECT id, verdict FROM callbacks ORDER BY received_at")
    assert [row["id"] for row in found] == [one.event.callback_id for one in (*came, small)]
    assert [row["verdict"] for row in found] == ["accepted", *["duplicate"] * COUNT]


async def test_a_page_of_large_schedules_is_shorter_and_leads_to_the_next(edge: Served) -> None:
    document = {"every": "1h", "start": {"source": "orders", "parameters": {"all": LARGE}}}
    ids = [new_id() for _ in range(6)]
    for number, one in enumerate(ids):
        async with edge.database.transaction() as tx:
            await schedules.insert_schedule(tx, one, None, document, NOW + timedelta(seconds=number))
    for query in ({}, {"status": "requested"}):
        first = (await edge.http.get("/schedules", params=query)).json()
        assert 0 < len(first["schedules"]) < len(ids)
        rest = (await edge.http.get("/schedules", params={**query, "after": first["next"]})).json()
        assert [one["id"] for one in [*first["schedules"], *rest["schedules"]]] == list(map(str, ids[::-1]))
        assert rest["next"] is None
