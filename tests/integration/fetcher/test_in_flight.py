"""How many calls of a vendor are open at once: all that it allows."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.model import Claimed, Ended, Later, Leave, Outcome
from services.fetcher.settings import Settings
from shared.database.pool import Row, Transaction
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from tests.integration.fetcher.lanes_at_work import ask, at_work
from tests.support.eventually import eventually
from tests.support.stack import Place

VENDOR = b'{"vendor": "v", "base_url": "https://v.example", "budget": {"windows": [], "in_flight": %d}}'
CALLS = 5


async def ask_vendor(runtime: Runtime[Settings], lanes: Lanes, in_flight: int) -> None:
    async with runtime.database.transaction() as tx:
        await tx.execute("INSERT INTO vendors (id, document) VALUES ('v', $1)", VENDOR % in_flight)
    await ask(runtime, lanes, *["v"] * CALLS)


async def test_a_vendor_that_has_answered_is_asked_again_before_its_answer_is_written_down(
    topics: Place, payloads: Path
) -> None:
    begun, most = 0, 0

    async def answers(call: Claimed, leave: Leave) -> Outcome:
        nonlocal begun, most
        begun, most = begun + 1, max(most, lanes.open_lanes["v"].load.at_vendor)
        leave.left()
        return Ended(call, (), None, succeeded=True)

    async with at_work(topics, payloads, answers) as (runtime, lanes):
        async with lanes._settlement._one_writer:
            await ask_vendor(runtime, lanes, 1)
            # Of what is answered and not written down there is no more than may be in flight.
            await eventually(lambda: begun == 2, 20)
        await eventually(lambda: begun == CALLS and not lanes.open_lanes, 20)
    assert most == 1


@pytest.mark.parametrize("refusal", ["limited", "spent"])
async def test_a_vendor_that_wants_to_be_left_alone_is_asked_nothing_before_that_is_written_down(
    topics: Place, payloads: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    begun, looks, lock_budget = 0, 0, lanes_store.lock_budget
    tomorrow = utc_now() + timedelta(days=1)

    both_begun, is_refused = asyncio.Event(), asyncio.Event()

    async def refuses(call: Claimed, leave: Leave) -> Outcome:
        """The first one; the other is answered well after it."""
        nonlocal begun
        begun += 1
        leave.left()
        if begun > 1:
            both_begun.set()
            await is_refused.wait()
            return Ended(call, (), None, succeeded=True)
        await both_begun.wait()
        is_refused.set()
        if refusal == "limited":
            return Later(call, tomorrow, call.attempt, limited=True)
        return Ended(call, (), None, succeeded=True, spent_until=tomorrow)

    async def counted(tx: Transaction, vendor: str, fetcher_id: UUID) -> Row:
        nonlocal looks
        looks += is_refused.is_set()
        return await lock_budget(tx, vendor, fetcher_id)

    def has_looked() -> bool:
        lanes.wake_all()
        return looks >= CALLS

    monkeypatch.setattr(lanes_store, "lock_budget", counted)
    async with at_work(topics, payloads, refuses) as (runtime, lanes):
        async with lanes._settlement._one_writer:
            await ask_vendor(runtime, lanes, 2)
            await eventually(has_looked, 20)
            assert begun == 2
        await eventually(lambda: not lanes._settlement._outcomes, 20)
    assert begun == 2
