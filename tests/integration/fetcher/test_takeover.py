"""What becomes of the calls of a fetcher that is gone: what nobody can have is made again, the rest never twice."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.fetcher import rows as fetcher_rows
from services.fetcher.call.messages import Change, changed
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes.mark import Marks
from services.fetcher.model import Claimed, Ended, Later
from services.fetcher.rows import show_life
from services.fetcher.settings import Settings
from services.fetcher.settle import settle
from services.fetcher.settle import store as settle_store
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover import store as takeover_store
from services.fetcher.takeover.loop import Takeover
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.tasks import TaskState
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from shared.runtime.service import open_runtime
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import claim, states, submit
from tests.integration.fetcher.takeovers import LEASE_SECONDS, Clock, take_over
from tests.support.eventually import PATIENCE, eventually
from tests.support.stack import Place


async def holders(database: Database) -> dict[UUID, UUID]:
    """Whose the calls are that are somebody's."""
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT id, fetcher_id FROM calls WHERE fetcher_id IS NOT NULL")
    return {row["id"]: row["fetcher_id"] for row in rows}


async def seen_at(database: Database, fetcher_id: UUID) -> float:
    """When a fetcher gave its last sign of life; 0 if it never did."""
    async with database.transaction() as tx:
        query = "SELECT extract(epoch FROM max(seen_at))::float8 FROM fetchers WHERE id = $1"
        return float(await tx.fetchval(query, fetcher_id) or 0)


def taken_over() -> float | None:
    """How many calls were taken over from fetchers that were silent."""
    return REGISTRY.get_sample_value("sluice_calls_taken_over_total")


def answered(call: Claimed) -> Ended:
    """The end of a call, with a message that says so."""
    return Ended(call, (changed(call, Change(TaskState.COMPLETED), utc_now()),), None, succeeded=True)


async def test_only_what_never_left_is_made_again(
    topics: Place, database_for: DatabaseFor, producer: Producer, reader_for: ReaderFor
) -> None:
    told = await reader_for("tasks.events")
    database, gone, heir = await database_for("fetcher"), new_id(), new_id()
    never_left, may_have_left, repeatable = submit(), submit(), submit(method="PUT")
    async with database.transaction() as tx:
        await enqueue_calls(tx, [never_left, may_have_left, repeatable])
    before = {call.id: call for call in await claim(database, gone)}
    marks = Marks(database, gone, LEASE_SECONDS)
    await marks.mark(before[may_have_left.id])

    settlement = Settlement(database, producer, heir)
    await take_over(database, settlement, heir)
    expected = {never_left.id: "waiting", may_have_left.id: "answered", repeatable.id: "waiting"}
    assert await states(database) == expected
    await settlement.send()
    [event] = await eventually(lambda: told.values, 20)
    assert (event["task_id"], event["state"]) == (str(may_have_left.event.task_id), "waiting")
    assert event["reason"].startswith("outcome_unknown")

    await show_life(database, gone)
    assert [await marks.mark(call) for call in before.values()] == [0, 0, 0]
    async with database.transaction() as tx:
        late = [Later(call, utc_now(), 1) for call in before.values()]
        assert await settle_store.settle_calls(tx, gone, late) == set()
    assert {call.id for call in await claim(database, heir)} == {never_left.id, repeatable.id}


async def test_a_fetcher_that_only_slept_and_its_heir_never_both_send(database_for: DatabaseFor) -> None:
    """Whoever is first decides: the mark, or the takeover."""
    database, sleeper, heir = await database_for("fetcher"), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit() for _ in range(40)])
    calls = await claim(database, sleeper)
    await show_life(database, sleeper)
    marks = Marks(database, sleeper, LEASE_SECONDS)

    async def take_over() -> None:
        async with database.transaction() as tx:
            await takeover_store.return_calls(tx, [sleeper])

    marked, _ = await asyncio.gather(asyncio.gather(*(marks.mark(call) for call in calls)), take_over())
    leave = {call.id for call, good in zip(calls, marked, strict=True) if good}
    again = {call.id for call in await claim(database, heir)}
    assert (leave | again, leave & again) == ({call.id for call in calls}, set())


async def test_calls_that_a_sleeper_has_locked_hold_up_neither_the_others_nor_a_sign_of_life(
    place: Place, database_for: DatabaseFor
) -> None:
    """It stands still in the midst of a transaction, and Postgres has not noticed yet."""
    database, sleeper, heir = await database_for("fetcher"), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit(), submit(), submit(), submit()])
    locked, free, locked_answer, free_answer = await claim(database, sleeper)
    settlement, clock = Settlement(database, Producer(place.kafka, prefix=place.prefix), sleeper), Clock()
    for call in (locked_answer, free_answer):
        settlement.add(Ended(call, (), None, True), lambda: None)
    await settlement.write()
    takeover = Takeover(database, settlement, heir, LEASE_SECONDS, clock=clock)
    await takeover.step()
    clock.now += LEASE_SECONDS
    shown = await seen_at(database, heir)
    async with database.transaction() as other:
        await other.execute("SELECT FROM calls WHERE id = ANY ($1) FOR UPDATE", [locked.id, locked_answer.id])
        async with asyncio.timeout(5 * PATIENCE):
            await takeover.step()
        assert (await states(database))[locked.id] == "running"
        assert (await states(database))[free.id] == "waiting"
        assert await holders(database) == {locked.id: sleeper, locked_answer.id: sleeper, free_answer.id: heir}
    assert await seen_at(database, heir) > shown


async def test_a_sign_of_life_waits_for_nothing_else(place: Place, database_for: DatabaseFor) -> None:
    """A migration has the table of calls, and other work has all connections of the pool."""
    database, others, fetcher_id = await database_for("fetcher"), await database_for("fetcher"), new_id()
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), fetcher_id)
    async with AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(database.transaction())
        async with others.transaction() as other:
            await other.execute("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
            step = asyncio.create_task(Takeover(database, settlement, fetcher_id, LEASE_SECONDS).step())
            await eventually(lambda: seen_at(others, fetcher_id), 5)
        await step


async def test_answers_that_cannot_be_told_are_left_to_others_though_other_work_has_all_connections(
    place: Place, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next sign of life comes after that."""
    database, fetcher_id = await database_for("fetcher"), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    [call] = await claim(database, fetcher_id)
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), fetcher_id)
    settlement.add(answered(call), lambda: None)
    await settlement.write()
    with pytest.raises(Unavailable):
        await settlement.send()
    monkeypatch.setattr(Settlement, "waiting_seconds", 2 * LEASE_SECONDS)
    async with AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(database.transaction())
        await Takeover(database, settlement, fetcher_id, LEASE_SECONDS).step()
    assert await holders(database) == {call.id: settle_store.NOBODY}


async def test_answers_are_taken_over_some_at_a_time_while_there_is_room_for_them(
    topics: Place, database_for: DatabaseFor, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were handed over by a fetcher that lives count as no calls of one that is silent."""
    database, gone, heir, counted = await database_for("fetcher"), new_id(), new_id(), taken_over()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit() for _ in range(5)])
    leaving = Settlement(database, Producer(topics.kafka, prefix=topics.prefix), gone)
    for call in await claim(database, gone):
        leaving.add(answered(call), lambda: None)
    await leaving.write()
    with pytest.raises(Unavailable):
        await leaving.send()
    assert await leaving.hand_over() == 5

    settlement, clock = Settlement(database, producer, heir), Clock()
    takeover = Takeover(database, settlement, heir, LEASE_SECONDS, clock=clock)
    await takeover.step()
    clock.now += LEASE_SECONDS
    monkeypatch.setattr(takeover_store, "MOST_INHERITED", 2)
    for left in (3, 1):
        assert await takeover.step() == 0.0
        assert list((await holders(database)).values()).count(settle_store.NOBODY) == left
    monkeypatch.setattr(settle, "_MOST_KEPT_BYTES", 1)
    await takeover.step()
    assert settle_store.NOBODY in (await holders(database)).values()
    await settlement.drain(within_seconds=20)
    assert await takeover.step() > 0.0
    await settlement.drain(within_seconds=20)
    assert (await states(database), taken_over()) == ({}, counted)


async def test_what_a_sleeper_has_locked_is_free_before_its_lease_is_over(place: Place, payloads: Path) -> None:
    runtime = open_runtime("fetcher", place.settings(Settings, payloads, fetcher_lease_seconds=3))
    await runtime.database.open()
    async with runtime.database.transaction() as tx:
        limit = await tx.fetchval("SELECT current_setting('idle_in_transaction_session_timeout')::interval")
    await runtime.database.close()
    assert timedelta() < limit < timedelta(seconds=3)


async def test_a_newcomer_takes_nothing_before_its_neighbours_had_time_to_show_that_they_live(
    place: Place, database_for: DatabaseFor
) -> None:
    """What has kept them silent may have been over only just now."""
    database, neighbour, newcomer = await database_for("fetcher"), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await claim(database, neighbour)
    settlement, clock = Settlement(database, Producer(place.kafka, prefix=place.prefix), newcomer), Clock()
    takeover = Takeover(database, settlement, newcomer, LEASE_SECONDS, clock=clock)
    for _ in range(3):
        await takeover.step()
        assert set((await states(database)).values()) == {"running"}
        clock.now += LEASE_SECONDS / 3
    await takeover.step()
    assert set((await states(database)).values()) == {"waiting"}


async def test_lanes_are_woken_for_calls_that_a_takeover_gives_back(place: Place, database_for: DatabaseFor) -> None:
    database, gone, heir, woken = await database_for("fetcher"), new_id(), new_id(), []
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await claim(database, gone)
    settlement, clock = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir), Clock()
    takeover = Takeover(database, settlement, heir, LEASE_SECONDS, wake=lambda: woken.append(1), clock=clock)
    await takeover.step()
    assert not woken
    clock.now += LEASE_SECONDS
    await takeover.step()
    assert woken


async def test_a_fetcher_that_sleeps_between_its_sign_of_life_and_its_look_judges_nobody(
    place: Place, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even itself."""
    database, fetcher_id, find_silent = await database_for("fetcher"), new_id(), takeover_store.find_silent
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await claim(database, fetcher_id)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await claim(database, new_id())
    settlement, clock = Settlement(database, Producer(place.kafka, prefix=place.prefix), fetcher_id), Clock()
    takeover = Takeover(database, settlement, fetcher_id, LEASE_SECONDS, clock=clock)
    await takeover.step()
    clock.now += LEASE_SECONDS

    async def find_late(*given: Any) -> list[UUID]:
        [tx, *_] = given
        await tx.execute("UPDATE fetchers SET seen_at = now() - interval '1 day'")
        clock.now += 2 * LEASE_SECONDS
        return await find_silent(*given)

    monkeypatch.setattr(takeover_store, "find_silent", find_late)
    await takeover.step()
    assert list((await states(database)).values()) == ["running"] * 2


async def test_fetchers_that_were_all_cut_off_from_the_database_take_nothing_from_each_other(
    place: Place, database_for: DatabaseFor
) -> None:
    """Whoever comes back first finds the others silent, and was silent itself."""
    database, first, other, lease_seconds = await database_for("fetcher"), new_id(), new_id(), 1.0
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), first)
    takeover = Takeover(database, settlement, first, lease_seconds)

    async def other_is_silent() -> bool:
        async with database.transaction() as tx:
            return other in await takeover_store.find_silent(tx, lease_seconds, new_id())

    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await show_life(database, other)
    await claim(database, other)
    await takeover.step()
    await show_life(database, other)
    await eventually(other_is_silent)
    await takeover.step()
    assert set((await states(database)).values()) == {"running"}

    async def is_taken_over() -> bool:
        await takeover.step()
        return set((await states(database)).values()) == {"waiting"}

    await eventually(is_taken_over)


@pytest.mark.parametrize("when", ["before its sign of life", "after its sign of life", "before a fault"])
async def test_fetchers_of_a_machine_that_was_suspended_take_nothing_from_each_other(
    place: Place, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Their own clocks stood still meanwhile, the database's did not."""
    database, first, other, clear_calls = await database_for("fetcher"), new_id(), new_id(), takeover_store.clear_calls
    settlement, clock = Settlement(database, Producer(place.kafka, prefix=place.prefix), first), Clock()
    takeover = Takeover(database, settlement, first, LEASE_SECONDS, clock=clock)

    async def suspend() -> None:
        async with database.transaction() as tx:
            await tx.execute("UPDATE fetchers SET seen_at = seen_at - interval '1 day'")

    async def fail(*_: object) -> None:
        raise Unavailable("Postgres: it went away")

    async def show_life_and_sleep(database: Database, fetcher_id: UUID) -> float | None:
        silent_seconds = await show_life(database, fetcher_id)
        await suspend()
        return silent_seconds

    await show_life(database, other)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    await claim(database, other)
    await takeover.step()
    clock.now += LEASE_SECONDS
    await takeover.step()
    if when == "after its sign of life":
        monkeypatch.setattr(fetcher_rows, "show_life", show_life_and_sleep)
    else:
        await suspend()
    if when == "before a fault":
        monkeypatch.setattr(takeover_store, "clear_calls", fail)
        with pytest.raises(Unavailable):
            await takeover.step()
        monkeypatch.setattr(takeover_store, "clear_calls", clear_calls)
        async with database.transaction() as tx:
            await tx.execute("UPDATE fetchers SET seen_at = now() - interval '1 day' WHERE id = $1", other)
    await takeover.step()
    monkeypatch.setattr(fetcher_rows, "show_life", show_life)
    for _ in range(3):
        await takeover.step()
        assert set((await states(database)).values()) == {"running"}
        clock.now += LEASE_SECONDS / 3
    await takeover.step()
    assert set((await states(database)).values()) == {"waiting"}
