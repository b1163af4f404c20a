"""All lanes of a process: what they may have open together."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.model import Claimed, Later, Leave, Outcome
from services.fetcher.rows import show_life
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover import store as takeover_store
from shared.database.pool import Row, Transaction
from shared.errors import Unavailable
from shared.ids import new_id
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from shared.runtime.service import open_runtime
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import wanted
from tests.integration.fetcher.lanes_at_work import ask, at_work
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.stack import Place


async def test_lanes_that_claim_at_the_same_time_open_no_more_calls_than_the_process_may(
    place: Place, payloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = place.settings(Settings, payloads, fetcher_calls=2, fetcher_vendor_share=1)
    runtime: Runtime[Settings] = open_runtime("fetcher", settings)
    await runtime.database.open()
    together, may_end, find_due = asyncio.Barrier(2), asyncio.Event(), lanes_store.find_due

    async def find_together(tx: Transaction, vendor: str, most: int, **more: Any) -> list[UUID]:
        due = await find_due(tx, vendor, most, **more)
        monkeypatch.setattr(lanes_store, "find_due", find_due) if together.n_waiting else None
        await together.wait()
        return due

    async def hold(call: Claimed, leave: Leave) -> Outcome:
        await may_end.wait()
        return Later(call, utc_now(), call.attempt)

    async def open_calls() -> int:
        """Once nobody claims."""
        async with runtime.database.transaction() as tx:
            await tx.execute("LOCK TABLE budgets IN EXCLUSIVE MODE")
            return int(await tx.fetchval("SELECT count(*) FROM calls WHERE state = 'running'"))

    monkeypatch.setattr(lanes_store, "find_due", find_together)
    async with runtime.database.transaction() as tx:
        for vendor in ("a", "b"):
            document = b'{"vendor": "%s", "base_url": "https://v.example"}' % vendor.encode()
            await tx.execute("INSERT INTO vendors (id, document) VALUES ($1, $2)", vendor, document)
            await enqueue_calls(tx, [wanted(new_id(), vendor=vendor) for _ in range(2)])
    fetcher_id = new_id()
    settlement = Settlement(runtime.database, runtime.producer, fetcher_id)
    lanes = Lanes(runtime, settlement, fetcher_id, hold)
    running = asyncio.create_task(lanes.run())
    try:
        await eventually(lambda: lanes_store.find_due is find_due, 20)
        await eventually(open_calls, 20)
        assert await open_calls() == 2
    finally:
        lanes.stop()
        may_end.set()
        await running
        await runtime.database.close()


async def ends(call: Claimed, leave: Leave) -> Outcome:
    leave.left()
    return give_up(call, "for good", Tried(utc_now(), 0.0), utc_now())


async def test_a_defect_in_making_a_call_ends_that_call_and_leaves_its_slot_to_others(
    topics: Place, payloads: Path, reader_for: ReaderFor
) -> None:
    dead = await reader_for("fetcher.dead")

    async def breaks(call: Claimed, leave: Leave) -> Outcome:
        raise ZeroDivisionError("a secret")

    async with at_work(topics, payloads, breaks, fetcher_calls=1, fetcher_vendor_share=1) as (runtime, lanes):
        await ask(runtime, lanes, *["url:host.example"] * 3)
        letters = await eventually(lambda: dead.values if len(dead.values) == 3 else [], 20)
    assert {letter["reason"] for letter in letters} == {"bug"}
    assert "secret" not in str(letters)


@pytest.mark.parametrize(("step", "error"), [("lock_budget", ZeroDivisionError), ("claim_calls", Unavailable)])
async def test_a_fault_of_a_lane_is_told_and_its_calls_are_made_all_the_same(
    topics: Place,
    payloads: Path,
    reader_for: ReaderFor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: str,
    error: type[Exception],
) -> None:
    """It keeps no slot of the process, which has but one."""
    dead, works = await reader_for("fetcher.dead"), getattr(lanes_store, step)

    async def breaks_once(*_: object) -> None:
        monkeypatch.setattr(lanes_store, step, works)
        raise error

    monkeypatch.setattr(lanes_store, step, breaks_once)
    async with at_work(topics, payloads, ends, fetcher_calls=1) as (runtime, lanes):
        await ask(runtime, lanes, "url:host.example")
        await eventually(lambda: dead.values, 20)
    assert ("lane.failed" if error is ZeroDivisionError else "lane.waiting") in capsys.readouterr().out


async def test_vendors_that_find_no_slot_get_one_in_turn_and_have_no_lane_before(topics: Place, payloads: Path) -> None:
    vendors, made = [f"url:{number}.host.example" for number in range(5)], list[str]()
    may_end = asyncio.Semaphore(0)

    async def hold(call: Claimed, leave: Leave) -> Outcome:
        made.append(call.request.vendor)
        await may_end.acquire()
        return await ends(call, leave)

    async with at_work(topics, payloads, hold, fetcher_calls=1) as (runtime, lanes):
        await ask(runtime, lanes, *vendors, *vendors)
        await eventually(lambda: made, 20)
        had_lanes = set[str]()
        for _ in range(3):
            await lanes_have_looked(lanes)
            had_lanes |= lanes.open_lanes.keys()
        for _ in range(10):
            may_end.release()
        await eventually(lambda: len(made) == 10, 20)
    assert had_lanes == {made[0]}
    assert sorted(made[:5]) == sorted(made[5:]) == vendors


async def test_vendors_for_which_no_call_was_found_are_not_looked_after_before_the_next_pass(
    topics: Place, payloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All their calls are locked, say, and there is one slot for them all."""
    vendors, passes, looks, lock_budget = [f"url:{name}.example" for name in "abc"], 0, 0, lanes_store.lock_budget

    async def find_busy(tx: Transaction, **_: bool) -> dict[str, float]:
        nonlocal passes
        passes += 1
        return dict.fromkeys(vendors, 0.0)

    async def counted(tx: Transaction, vendor: str, fetcher_id: UUID) -> Row:
        nonlocal looks
        looks += 1
        return await lock_budget(tx, vendor, fetcher_id)

    monkeypatch.setattr(lanes_store, "find_busy_vendors", find_busy)
    monkeypatch.setattr(lanes_store, "lock_budget", counted)
    async with at_work(topics, payloads, ends, fetcher_calls=1):
        await eventually(lambda: passes >= 3, 20)
        assert len(vendors) <= looks <= passes * len(vendors)


async def lanes_have_looked(lanes: Lanes) -> None:
    """For vendors with calls that are due, once more."""
    lanes.wake()
    await eventually(lambda: not lanes._woken.is_set())


async def test_however_many_lanes_claim_calls_there_are_connections_for_everything_else(
    topics: Place, payloads: Path, database_for: DatabaseFor
) -> None:
    """Somebody else has the vendors' rows, so every claim that begins lasts."""
    others = await database_for("fetcher")
    async with at_work(topics, payloads, ends) as (runtime, lanes):
        async with others.transaction() as tx:
            await tx.execute("LOCK TABLE budgets IN EXCLUSIVE MODE")
            await ask(runtime, lanes, *[f"url:{number}.host.example" for number in range(20)])
            await eventually(lambda: waiting(others), 20)
            await lanes_have_looked(lanes)
            await asyncio.gather(*(show_life(runtime.database, new_id()) for _ in range(20)))
            async with runtime.database.transaction() as own:
                assert await own.fetchval("SELECT count(*) FROM calls") == 20
            assert await waiting(others) == 4

        async def all_told() -> bool:
            async with others.transaction() as tx:
                return not await tx.fetchval("SELECT count(*) FROM calls")

        await eventually(all_told, 20)


async def test_hosts_that_nobody_configured_leave_nothing_behind(topics: Place, payloads: Path) -> None:
    """Whoever may ask for a job may name any number of them."""
    async with at_work(topics, payloads, ends) as (runtime, lanes):

        async def all_told() -> bool:
            async with runtime.database.transaction() as tx:
                return not await tx.fetchval("SELECT count(*) FROM calls")

        await ask(runtime, lanes, *[f"url:{number}.host.example" for number in range(5)])
        await eventually(lambda: len(lanes.open_lanes) == 5, 20)
        await eventually(all_told, 20)
        labels = {sample.labels.get("vendor", "") for metric in REGISTRY.collect() for sample in metric.samples}
        assert "url:" in labels
        assert not [label for label in labels if "host.example" in label]
        await eventually(lambda: not lanes.open_lanes, 20)


async def test_nobody_finds_calls_of_a_fetcher_that_has_shown_no_life_yet(topics: Place, payloads: Path) -> None:
    made = asyncio.get_running_loop().create_future()

    async def look(call: Claimed, leave: Leave) -> Outcome:
        async with runtime.database.transaction() as tx:
            made.set_result(await takeover_store.find_silent(tx, 3600, new_id()))
        return Later(call, utc_now() + timedelta(days=1), call.attempt)

    async with at_work(topics, payloads, look) as (runtime, lanes):
        await ask(runtime, lanes, "url:host.example")
        assert await asyncio.wait_for(made, 20) == []
