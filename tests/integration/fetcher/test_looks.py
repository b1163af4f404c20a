"""How often a lane looks at its vendor's row: not while there is nothing to be gained."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.fetcher.configure import handler as configuration
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import decide as lanes_decide
from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.lane import Lane
from services.fetcher.model import Claimed, Later, Leave, Outcome
from shared.database.pool import Database, Row, Transaction
from shared.ids import new_id
from shared.runtime.clock import monotonic, utc_now
from shared.specification.vendor import Budget, Window
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import claim, wanted
from tests.integration.fetcher.lanes_at_work import ask, at_work
from tests.integration.fetcher.leaser import FULL, QUOTA, Leaser, noted
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When a lane looked at its vendor's row."""
    found, lock_budget = [], lanes_store.lock_budget

    async def lock(tx: Transaction, vendor: str, fetcher_id: UUID) -> Row:
        found.append(monotonic())
        return await lock_budget(tx, vendor, fetcher_id)

    monkeypatch.setattr(lanes_store, "lock_budget", lock)
    return found


async def enqueue(database: Database, count: int) -> None:
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(count)])


@asynccontextmanager
async def lane_at_work(lane: Lane) -> AsyncIterator[None]:
    running = asyncio.create_task(lane.run())
    try:
        yield
    finally:
        running.cancel()


async def looks_within(looks: list[float], seconds: float) -> int:
    """How many there were since the first, when so much time has passed."""
    await eventually(lambda: looks and monotonic() > looks[0] + seconds, 20)
    return len(looks)


async def test_a_lane_looks_for_no_room_that_its_own_calls_take(
    database_for: DatabaseFor, looks: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_decide, "LONGEST_WAIT_SECONDS", 3600.0)
    database = await database_for("fetcher")
    await enqueue(database, 3)
    leaser = Leaser(database, FULL)
    lane = leaser.lane
    async with lane_at_work(lane):
        await eventually(lambda: len(leaser.permits) == 2, 20)
        lane.wake()
        assert await looks_within(looks, 0.6) == 1
        lane.load.settled(leaser.calls[0])
        await eventually(lambda: len(leaser.permits) == 3, 20)


async def test_a_lane_looks_ever_more_rarely_for_room_that_others_take(
    database_for: DatabaseFor, looks: list[float]
) -> None:
    database = await database_for("fetcher")
    await enqueue(database, 2)
    await claim(database, new_id())
    await enqueue(database, 1)
    leaser = Leaser(database, FULL)
    async with lane_at_work(leaser.lane):
        assert await looks_within(looks, 1.0) <= 12
        async with database.transaction() as tx:
            await tx.execute("DELETE FROM calls WHERE state = 'running'")
        await eventually(lambda: leaser.permits, 20)


async def test_what_has_left_is_noted_while_there_is_no_room(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others lease by it."""
    monkeypatch.setattr(lanes_decide, "LONGEST_WAIT_SECONDS", 3600.0)
    database = await database_for("fetcher")
    await enqueue(database, 3)
    leaser = Leaser(database, FULL)
    async with lane_at_work(leaser.lane):
        await eventually(lambda: len(leaser.permits) == 2, 20)
        for permit in leaser.permits:
            permit.left()

        async def is_noted() -> bool:
            return await noted(database) == (2, 0)

        await eventually(is_noted, 20)


async def test_a_lane_that_lacks_calls_looks_when_there_are_some(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_decide, "LONGEST_WAIT_SECONDS", 3600.0)
    monkeypatch.setattr(lanes_decide, "IDLE_SECONDS", 3600.0)
    database = await database_for("fetcher")
    await enqueue(database, 1)
    leaser = Leaser(database, FULL)
    lane = leaser.lane
    async with lane_at_work(lane):
        await eventually(lambda: len(leaser.permits) == 1, 20)
        await enqueue(database, 1)
        lane.wake()
        await eventually(lambda: len(leaser.permits) == 2, 20)


async def test_more_calls_do_not_wake_a_lane_whose_quota_is_used_up(
    database_for: DatabaseFor, looks: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lock the vendor's row for each of them, and find no permit."""
    monkeypatch.setattr(lanes_decide, "LONGEST_WAIT_SECONDS", 3600.0)
    database = await database_for("fetcher")
    await enqueue(database, 9)
    five_a_day = Budget(windows=(Window(requests=5, per=timedelta(days=1)),))
    leaser = Leaser(database, QUOTA.model_copy(update={"budget": five_a_day}))
    async with lane_at_work(leaser.lane):
        await eventually(lambda: len(leaser.permits) == 5, 20)
        leaser.lane.wake()
        assert await looks_within(looks, 0.6) == 1
        leaser.lane.look()
        await eventually(lambda: len(looks) == 2, 20)


async def test_a_lane_whose_slots_others_take_while_it_looks_waits_for_a_slot_and_not_for_calls(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await database_for("fetcher")
    await enqueue(database, 2)
    leaser, find_due = Leaser(database, FULL), lanes_store.find_due
    lane, slots = leaser.lane, leaser.lane._resources.slots

    async def find_while_others_take(tx: Transaction, vendor: str, most: int, **more: Any) -> list[UUID]:
        slots.take("other", 20)
        return await find_due(tx, vendor, most, **more)

    monkeypatch.setattr(lanes_store, "find_due", find_while_others_take)
    await lane.run()
    assert not leaser.permits
    slots.give_back("other", 20)
    assert leaser.given == ["v"]


async def test_a_vendor_that_is_paused_for_long_has_no_lane_until_its_pause_is_over(
    topics: Place, payloads: Path
) -> None:
    """Another process hears of the new contract that ends the pause; of two calls the vendor refused the first."""
    vendor, made = FULL.model_copy(update={"budget": Budget(in_flight=1)}), list[UUID]()

    async def refuse(call: Claimed, leave: Leave) -> Outcome:
        made.append(call.id)
        return Later(call, utc_now() + timedelta(hours=1), call.attempt, limited=True)

    async with at_work(topics, payloads, refuse) as (runtime, lanes):
        async with runtime.database.transaction() as tx:
            await configuration.vendors.put(tx, {"v": vendor})
        await ask(runtime, lanes, "v", "v")
        await eventually(lambda: made and not lanes.open_lanes, 20)
        assert len(made) == 1
        await eventually(lambda: 3000 < paused_seconds("v") < 3600, 20)
        async with runtime.database.transaction() as tx:
            await configuration.vendors.put(tx, {"v": vendor})
        await eventually(lambda: len(set(made)) == 2, 20)


def paused_seconds(vendor: str) -> float:
    return REGISTRY.get_sample_value("sluice_vendor_paused_seconds", {"vendor": vendor}) or 0.0


async def test_every_fetcher_shows_a_pause_until_any_process_ends_it(topics: Place, payloads: Path) -> None:
    """Also one that started during the pause, and while no call of the vendor is due."""

    async def refuse(call: Claimed, leave: Leave) -> Outcome:
        raise AssertionError

    async with at_work(topics, payloads, refuse) as (runtime, _):
        async with runtime.database.transaction() as tx:
            await tx.execute("INSERT INTO budgets (vendor, paused_until) VALUES ('rests', now() + interval '1 hour')")
        await eventually(lambda: 3000 < paused_seconds("rests") <= 3600, 20)
        async with runtime.database.transaction() as tx:
            await configuration.vendors.put(tx, {"rests": FULL.model_copy(update={"vendor": "rests"})})
        await eventually(lambda: paused_seconds("rests") == 0, 20)


async def test_calls_that_wait_until_later_are_passed_over_in_the_index(database_for: DatabaseFor) -> None:
    """A receiver that is gone may leave any number of them, and the vendor's row is locked meanwhile."""
    database = await database_for("fetcher")
    await enqueue(database, 5000)
    async with database.transaction() as tx:
        await tx.execute("UPDATE calls SET not_before = now() + interval '1 hour'")
        assert await lanes_store.find_busy_vendors(tx) == {}
    await enqueue(database, 3)
    query = lanes_store.SQL["find_due"]
    for index, value in enumerate(("'v'", "20", "2", "'10 s'"), 1):
        query = query.replace(f"${index}", value)
    async with database.transaction() as tx:
        assert await lanes_store.find_busy_vendors(tx) == {"v": 0}
        assert len(await lanes_store.find_due(tx, "v", 20)) == 3
        plan = await tx.fetch(f"EXPLAIN (ANALYZE, TIMING off) {query}")
    assert not [line for [line] in plan if "Rows Removed" in line], plan
