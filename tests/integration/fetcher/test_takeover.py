"""What becomes of the calls of a fetcher that is gone: what nobody can have is made again, the rest never twice."""

import asyncio
from uuid import UUID

from services.fetcher.call import store
from services.fetcher.call.mark import Marks
from services.fetcher.call.settle import Settlement
from services.fetcher.call.takeover import Takeover, claimed_of
from services.fetcher.claim.handler import claim_calls
from services.fetcher.model import Claimed, Later
from shared.database.pool import Database
from shared.events.envelope import Incoming, Position, Record
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested, SubmitWanted
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.eventually import eventually
from tests.stack import Place

LEASE_SECONDS = 0.0


def submit(*, method: str = "POST") -> Incoming[FetchRequested]:
    event = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="v",
        purpose="submit",
        call=Call.model_validate({"method": method, "path": "/reports"}),
        submit=SubmitWanted(vendor_job="body.id", deadline_at=utc_now()),
        processing=Processing(source="s"),
    )
    value = event.model_dump_json().encode()
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, value, (), utc_now()))


async def claim(database: Database, fetcher_id: UUID) -> list[Claimed]:
    """All calls that wait are this fetcher's."""
    async with database.transaction() as tx:
        rows = await store.claim_calls(tx, await store.find_due(tx, "v", 100), fetcher_id)
    return [claimed_of(row) for row in rows]


async def states(database: Database) -> dict[UUID, str]:
    async with database.transaction() as tx:
        return {row["id"]: row["state"] for row in await tx.fetch("SELECT id, state FROM calls")}


async def test_only_what_never_left_is_made_again(
    topics: Place, database_for: DatabaseFor, producer: Producer, reader_for: ReaderFor
) -> None:
    told = await reader_for("tasks.events")
    database, gone, heir = await database_for("fetcher"), new_id(), new_id()
    never_left, may_have_left, repeatable = submit(), submit(), submit(method="PUT")
    async with database.transaction() as tx:
        await claim_calls(tx, [never_left, may_have_left, repeatable])
    before = {call.id: call for call in await claim(database, gone)}
    marks = Marks(database, gone)
    assert await marks.mark(before[may_have_left.id])

    settlement = Settlement(database, producer, heir)
    await Takeover(database, settlement, heir, LEASE_SECONDS).step()
    expected = {never_left.id: "waiting", may_have_left.id: "answered", repeatable.id: "waiting"}
    assert await states(database) == expected
    await settlement.tell()
    [event] = await eventually(lambda: told.values, 20)
    assert (event["task_id"], event["state"]) == (str(may_have_left.event.task_id), "waiting")
    assert event["reason"].startswith("outcome_unknown")

    assert [await marks.mark(call) for call in before.values()] == [False, False, False]
    async with database.transaction() as tx:
        late = [Later(call, utc_now(), 1) for call in before.values()]
        assert await store.settle_calls(tx, gone, late) == set()
    assert {call.id for call in await claim(database, heir)} == {never_left.id, repeatable.id}


async def test_a_fetcher_that_only_slept_and_its_heir_never_both_send(database_for: DatabaseFor) -> None:
    """Whoever is first decides: the mark, or the takeover."""
    database, sleeper, heir = await database_for("fetcher"), new_id(), new_id()
    async with database.transaction() as tx:
        await claim_calls(tx, [submit() for _ in range(40)])
    calls = await claim(database, sleeper)
    marks = Marks(database, sleeper)

    async def take_over() -> None:
        async with database.transaction() as tx:
            await store.return_calls(tx, [sleeper])

    marked, _ = await asyncio.gather(asyncio.gather(*(marks.mark(call) for call in calls)), take_over())
    leave = {call.id for call, good in zip(calls, marked, strict=True) if good}
    again = {call.id for call in await claim(database, heir)}
    assert (leave | again, leave & again) == ({call.id for call in calls}, set())


async def test_fetchers_that_were_all_cut_off_from_the_database_take_nothing_from_each_other(
    place: Place, database_for: DatabaseFor
) -> None:
    """Whoever comes back first finds the others silent, and was silent itself."""
    database, first, other, lease_seconds = await database_for("fetcher"), new_id(), new_id(), 1.0
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), first)
    takeover = Takeover(database, settlement, first, lease_seconds)

    async def other_is_silent() -> bool:
        async with database.transaction() as tx:
            return other in await store.find_silent(tx, lease_seconds)

    async with database.transaction() as tx:
        await claim_calls(tx, [submit()])
        await store.show_life(tx, other)
    await claim(database, other)
    await takeover.step()
    async with database.transaction() as tx:
        await store.show_life(tx, other)
    await eventually(other_is_silent)
    await takeover.step()
    assert set((await states(database)).values()) == {"running"}

    async def is_taken_over() -> bool:
        await takeover.step()
        return set((await states(database)).values()) == {"waiting"}

    await eventually(is_taken_over)
