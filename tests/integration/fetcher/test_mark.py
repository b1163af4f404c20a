"""Marks of calls that must not be repeated: how long each is good, and what becomes of a defect."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.fetcher.call import make
from services.fetcher.call.make import CallMaker
from services.fetcher.call.transport import Transport
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import permit as permits
from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.mark import Marks
from services.fetcher.lanes.permit import Permit
from services.fetcher.model import Later
from services.fetcher.permits.windows import SECOND
from services.fetcher.rows import show_life
from shared.database.pool import Database
from shared.ids import new_id
from shared.payloads.store import PayloadStore
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import claim, submit
from tests.integration.fetcher.leaser import Leaser
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import claimed
from tests.integration.fetcher.takeovers import LEASE_SECONDS
from tests.integration.fetcher.transports import SlowNames
from tests.support.eventually import eventually


async def test_a_defect_lets_nothing_leave_and_nobody_wait_for_ever(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database, fetcher_id, mark_calls = await database_for("fetcher"), new_id(), lanes_store.mark_calls
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit(), submit()])
    await show_life(database, fetcher_id)
    first, second = await claim(database, fetcher_id)
    marks, begun, may_break = Marks(database, fetcher_id, LEASE_SECONDS), asyncio.Event(), asyncio.Event()

    async def breaks_once(*given: object) -> dict[UUID, int]:
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
    assert [until > 0 for until in await asyncio.wait_for(asyncio.gather(marking, later), 20)] == [False, True]
    assert "calls.not_marked" in capsys.readouterr().out


@pytest.fixture
def names() -> SlowNames:
    return SlowNames()


@pytest.fixture
def maker(tmp_path: Path, transport: Transport) -> CallMaker:
    return CallMaker(transport, PayloadStore(tmp_path.as_uri()))


class Marked:
    """A call of a vendor without windows, claimed by a fetcher that has just shown life, and marked."""

    def __init__(self, database: Database, site: Site) -> None:
        self.database, self.fetcher_id = database, new_id()
        self.leases = Leaser(database).leases
        self.call = replace(claimed(site, "200,[]", base_url=f"http://slow.test:{site.port}"), repeatable=False)

    async def mark(self) -> Permit:
        async with self.database.transaction() as tx:
            await enqueue_calls(tx, [submit()])
        [claim_of] = await claim(self.database, self.fetcher_id)
        await show_life(self.database, self.fetcher_id)
        async with self.leases.lock_budget() as (_, terms):
            self.call = replace(self.call, id=claim_of.id, claim=claim_of.claim, moment=terms.now)
        permit = Permit(self.leases, self.call)
        assert await permit.mark(Marks(self.database, self.fetcher_id, LEASE_SECONDS))
        return permit

    def pass_time(self, seconds: float) -> None:
        """The database's clock goes on, and this fetcher shows no life."""
        self.leases.clock.read(self.leases.clock.now() + round(seconds * SECOND))


@pytest.mark.parametrize("passed_seconds", [LEASE_SECONDS - 60, LEASE_SECONDS])
async def test_a_call_that_others_may_have_given_up_is_not_sent_even_where_the_vendor_has_no_windows(
    maker: CallMaker,
    names: SlowNames,
    database_for: DatabaseFor,
    site: Site,
    passed_seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A person may have sent it again. This fetcher showed no life for so long, so the vendor is not to blame."""
    monkeypatch.setattr(make, "_PUT_OFF_SECONDS", 0.0)
    marked = Marked(await database_for("fetcher"), site)
    permit = await marked.mark()
    making = asyncio.create_task(maker.make(marked.call, permit))
    await eventually(lambda: names.asked, 10)
    marked.pass_time(passed_seconds)
    names.answers.set()
    is_silent = passed_seconds >= LEASE_SECONDS
    outcome = await making
    assert isinstance(outcome, Later) == is_silent
    if isinstance(outcome, Later):
        assert (outcome.next_attempt, outcome.attempt, outcome.messages) == (marked.call.attempt, None, ())
    assert len(site.heads) == (0 if is_silent else 1)


async def test_a_redirect_has_a_mark_of_its_own(database_for: DatabaseFor, site: Site) -> None:
    marked = Marked(await database_for("fetcher"), site)
    permit = await marked.mark()
    async with marked.database.transaction() as tx:
        await tx.execute("UPDATE fetchers SET seen_at = now() - make_interval(secs => $1)", LEASE_SECONDS - 60)
    await permit.again()
    assert permit.is_kept
    marked.pass_time(60)
    assert not permit.is_kept
    await show_life(marked.database, marked.fetcher_id)
    await permit.again()
    assert permit.is_kept


async def test_a_redirect_of_a_call_that_was_taken_over_is_not_followed(
    database_for: DatabaseFor, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until its time is over, and asks again and again."""
    marked, mark_calls, asked = Marked(await database_for("fetcher"), site), lanes_store.mark_calls, list[object]()
    permit = await marked.mark()
    async with marked.database.transaction() as tx:
        await tx.execute("UPDATE calls SET claim = claim + 1")

    async def counting(*given: Any) -> dict[UUID, int]:
        asked.append(given)
        return await mark_calls(*given)

    monkeypatch.setattr(lanes_store, "mark_calls", counting)
    monkeypatch.setattr(permits, "_AGAIN_SECONDS", 0.01)
    waiting = asyncio.create_task(permit.again())
    await eventually(lambda: len(asked) >= 3, 20)
    assert not waiting.done()
    assert not permit.is_kept
    waiting.cancel()
