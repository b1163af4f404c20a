"""A fetcher that reaches the database, and not the broker or the payload store, takes no calls from those that work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.model import Claimed, Leave, Outcome
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover.loop import Takeover
from shared.ids import new_id
from shared.messaging import producer as producing
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from shared.runtime.loop import Loop
from shared.runtime.service import open_runtime
from tests.conftest import ReaderFor
from tests.integration.fetcher.calls import wanted
from tests.support.behind import behind
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.stack import Place

pytestmark = pytest.mark.chaos

LEASE_SECONDS = 1.0
HOST = "url:host.example"


class Fetcher:
    """Everything of a fetcher that works on calls; a call ends as soon as it is made."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self.made: list[UUID] = []
        self.cannot_store = False
        fetcher_id = new_id()
        self.runtime = runtime
        self.settlement = Settlement(runtime.database, runtime.producer, fetcher_id)
        self.lanes = Lanes(runtime, self.settlement, fetcher_id, self._make, cannot_store=lambda: self.cannot_store)
        takeover = Takeover(runtime.database, self.settlement, fetcher_id, LEASE_SECONDS)
        self.parts = (
            self.lanes,
            self.settlement.writing,
            self.settlement.sending,
            Loop("takeover", takeover.step),
        )

    async def _make(self, call: Claimed, leave: Leave) -> Outcome:
        leave.left()
        self.made.append(call.request.task_id)
        return give_up(call, "for good", Tried(utc_now(), 0.0), utc_now())

    async def ask(self, count: int) -> list[UUID]:
        """So many calls are to be made, by whichever fetcher."""
        calls = [wanted(new_id(), vendor=HOST) for _ in range(count)]
        async with self.runtime.database.transaction() as tx:
            await enqueue_calls(tx, calls)
        self.lanes.wake()
        return [call.event.task_id for call in calls]


@asynccontextmanager
async def at_work(topics: Place, payloads: Path) -> AsyncIterator[Fetcher]:
    runtime: Runtime[Settings] = open_runtime("fetcher", topics.settings(Settings, payloads))
    await runtime.database.open()
    await runtime.producer.open()
    fetcher = Fetcher(runtime)
    running = [asyncio.create_task(part.run()) for part in fetcher.parts]
    try:
        yield fetcher
    finally:
        for part in fetcher.parts:
            part.stop()
        await asyncio.gather(*running, return_exceptions=True)
        await runtime.producer.close()
        await runtime.database.close()


async def test_a_fetcher_that_lost_the_broker_makes_no_calls_and_leaves_its_answers_to_others(
    topics: Place, payloads: Path, reader_for: ReaderFor, to_kafka: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "REQUEST_SECONDS", 1)
    dead = await reader_for("fetcher.dead")

    def told() -> set[str]:
        return {letter["task_id"] for letter in dead.values}

    with behind(to_kafka):
        lost = await (context := at_work(topics, payloads)).__aenter__()
    try:
        to_kafka.cut()
        first = await lost.ask(3)
        await eventually(lambda: len(lost.made) == 3 and lost.settlement.is_behind, 30)
        async with at_work(topics, payloads) as other:
            second = await other.ask(10)
            await eventually(lambda: told() == {str(task) for task in (*first, *second)}, 60)
        assert (sorted(lost.made), sorted(other.made)) == (sorted(first), sorted(second))

        to_kafka.mend()
        await eventually(lambda: not lost.settlement.is_behind, 60)
        third = await lost.ask(3)
        await eventually(lambda: lost.made[3:] and {str(task) for task in third} <= told(), 30)
        assert sorted(lost.made) == sorted([*first, *third])
    finally:
        await context.__aexit__(None, None, None)


async def test_a_fetcher_that_cannot_store_makes_no_calls(topics: Place, payloads: Path) -> None:
    async with at_work(topics, payloads) as lost, at_work(topics, payloads) as other:
        lost.cannot_store = True
        tasks = await lost.ask(10)
        await eventually(lambda: len(other.made) == len(tasks), 30)
        assert not lost.made
