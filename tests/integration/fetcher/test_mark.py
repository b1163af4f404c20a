"""Marks of calls that must not be repeated, when something is wrong with the marking itself."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.mark import Marks
from services.fetcher.model import Claimed
from shared.database.pool import Transaction
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import claim, submit


async def test_a_defect_lets_nothing_leave_and_nobody_wait_for_ever(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database, fetcher_id, mark_calls = await database_for("fetcher"), new_id(), lanes_store.mark_calls
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit(), submit()])
    first, second = await claim(database, fetcher_id)
    marks, begun, may_break = Marks(database, fetcher_id), asyncio.Event(), asyncio.Event()

    async def breaks_once(tx: Transaction, fetcher_id: UUID, calls: Sequence[Claimed]) -> set[UUID]:
        monkeypatch.setattr(lanes_store, "mark_calls", mark_calls)
        begun.set()
        await may_break.wait()
        raise ZeroDivisionError

    monkeypatch.setattr(lanes_store, "mark_calls", breaks_once)
    marking = asyncio.create_task(marks.mark(first))
    await begun.wait()
    later = asyncio.create_task(marks.mark(second))
    # Behind the beginning of `later` in the loop's queue: then it has joined the others that wait.
    asyncio.get_running_loop().call_soon(may_break.set)
    assert list(await asyncio.wait_for(asyncio.gather(marking, later), 20)) == [False, True]
    assert "calls.not_marked" in capsys.readouterr().out
