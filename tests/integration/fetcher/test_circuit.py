"""A vendor that fails whatever it is asked rests, is called once in a while, and works again after one answer."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from services.fetcher.call.make import CallMaker
from services.fetcher.call.transport import Transport
from services.fetcher.configure.handler import SQL as CONFIGURE
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.model import FAULTS, PROBES, Claimed, Ended, Later, Leave, Outcome, is_circuit_open
from services.fetcher.settle import store as settle_store
from services.fetcher.settle.batch import Batch, Entry
from shared.database.pool import Database
from shared.events.tasks import Call
from shared.ids import new_id
from shared.payloads.store import PayloadStore
from shared.runtime.clock import utc_now
from shared.specification.vendor import AD_HOC
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import claim, wanted
from tests.integration.fetcher.lanes_at_work import ask, at_work
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.site_calls import claimed
from tests.support.eventually import eventually
from tests.support.stack import Place

DOWN = f"{AD_HOC}down.example"


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    """The vendor `v` began to fail a minute ago, with no fault counted yet."""
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO budgets (vendor, failing_since) VALUES ('v', now() - interval '1 minute')")
    return database


async def seconds(database: Database) -> float:
    """For how long the vendor rests."""
    query = "SELECT greatest(extract(epoch FROM paused_until - now()), 0)::float8 FROM budgets WHERE vendor = 'v'"
    async with database.transaction() as tx:
        return float(await tx.fetchval(query))


async def faults(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetchval("SELECT faults FROM budgets WHERE vendor = 'v'"))


async def fail(database: Database, times: int = 1) -> float:
    """So many calls at once fail; gives for how long the vendor rests."""
    async with database.transaction() as tx:
        await settle_store.count_faults(tx, ["v"] * times)
    return await seconds(database)


async def end_rest(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE budgets SET paused_until = now() - interval '1 second'")


async def test_each_fault_after_a_run_of_them_doubles_the_rest_up_to_its_longest(database: Database) -> None:
    assert await fail(database, FAULTS - 1) == 0
    rests = []
    for _ in range(8):
        rests.append(round(await fail(database)))
        await end_rest(database)
    assert rests == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300], abs=2)


async def test_calls_that_were_under_way_when_the_rest_began_do_not_prolong_it(database: Database) -> None:
    assert await fail(database, 5 * FAULTS) == pytest.approx(5, abs=2)
    assert await fail(database, 5 * FAULTS) == pytest.approx(5, abs=2)


async def test_however_many_calls_fail_in_one_moment_the_vendor_does_not_rest(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE budgets SET failing_since = NULL")
    assert await fail(database, 5 * FAULTS) == 0
    async with database.transaction() as tx:
        await tx.execute("UPDATE budgets SET failing_since = failing_since - interval '1 minute'")
    assert await fail(database) == pytest.approx(5, abs=2)


async def test_a_vendor_that_never_works_again_stops_resting_so_that_its_calls_end(database: Database) -> None:
    for _ in range(FAULTS + PROBES):
        await fail(database)
        await end_rest(database)
    assert not is_circuit_open(await faults(database))
    assert await fail(database, FAULTS) == 0


@pytest.mark.parametrize("ends", ["a success", "a refusal", "the vendor applied anew"])
async def test_an_answer_or_the_vendor_applied_anew_closes_the_circuit(database: Database, ends: str) -> None:
    await fail(database, FAULTS)
    async with database.transaction() as tx:
        match ends:
            case "a success":
                await settle_store.speed_up_vendors(tx, ["v"])
            case "a refusal":
                await settle_store.end_faults(tx, ["v"])
            case _:
                await tx.execute(CONFIGURE["end_pauses"], ["v"])
    assert await faults(database) == 0
    await end_rest(database)
    assert await fail(database, FAULTS) == 0


async def write(database: Database, works: list[bool]) -> None:
    """Outcomes of calls to the vendor, written together."""
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in works])
    fetcher_id = new_id()
    calls = await claim(database, fetcher_id)
    outcomes = [Later(call, utc_now(), 2, vendor_works=one) for call, one in zip(calls, works, strict=True)]
    async with database.transaction() as tx:
        await Batch([Entry(outcome, lambda: None) for outcome in outcomes]).write(tx, fetcher_id, frozenset())
        await tx.execute("DELETE FROM calls")


async def test_one_endpoint_that_always_fails_does_not_open_it_while_others_answer(database: Database) -> None:
    """Whether answers and faults are written together, or one after the other."""
    await write(database, [False] * (FAULTS - 1))
    await write(database, [True])
    await write(database, [False] * (FAULTS - 1))
    assert await seconds(database) == 0
    await write(database, [False] * FAULTS + [True])
    assert await faults(database) == 0
    await write(database, [False] * FAULTS)
    await write(database, [False] * FAULTS)
    assert await seconds(database) == 0


async def test_the_call_that_is_tried_may_be_repeated_and_has_used_up_the_fewest_attempts(database: Database) -> None:
    job_id = new_id()
    posted, tired, fresh = (wanted(job_id) for _ in range(3))
    async with database.transaction() as tx:
        await enqueue_calls(tx, [posted, tired, fresh])
        await tx.execute("UPDATE calls SET repeatable = false WHERE task_id = $1", posted.event.task_id)
        await tx.execute("UPDATE calls SET attempt = 2 WHERE task_id = $1", tired.event.task_id)
        [probe] = await lanes_store.find_probe(tx, "v")
        assert await tx.fetchval("SELECT task_id FROM calls WHERE id = $1", probe) == fresh.event.task_id


async def test_no_job_keeps_others_from_being_tried(database: Database) -> None:
    """However many calls of it are due, and for how long."""
    first, second = new_id(), new_id()
    tried = Counter[UUID]()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [*(wanted(first) for _ in range(50)), wanted(second)])
        for _ in range(40):
            [probe] = await lanes_store.find_probe(tx, "v")
            tried[await tx.fetchval("SELECT job_id FROM calls WHERE id = $1", probe)] += 1
    assert set(tried) == {first, second}


@pytest.mark.parametrize(
    ("path", "says", "works"),
    [
        ("/status", "200,[]", True),
        ("/status", "404,no", True),
        ("/status", "500,no", False),
        ("/hang", "", False),
        ("/reset", "", False),
        ("/cut-length", "", False),
        ("/rubbish", "", False),
    ],
)
async def test_each_call_shows_whether_its_vendor_works(
    site: Site, tmp_path: Path, path: str, says: str, works: bool
) -> None:
    call = claimed(site, says, timeouts={"first_byte": "300ms"} if path == "/hang" else {})
    request = call.request.model_copy(update={"call": Call(path=path, query={"says": says})})
    transport = Transport()
    outcome = await CallMaker(transport, PayloadStore(tmp_path.as_uri())).make(replace(call, request=request), FREE)
    await transport.close()
    assert outcome.vendor_works is works


async def test_a_vendor_that_cannot_be_reached_does_not_work_and_one_that_may_not_be_reached_shows_nothing(
    tmp_path: Path,
) -> None:
    gone = Site()
    await gone.open()
    await gone.close()
    transport = Transport()
    maker = CallMaker(transport, PayloadStore(tmp_path.as_uri()))
    refused = await maker.make(claimed(gone, ""), FREE)
    blocked = await maker.make(claimed(gone, "", network={"private_addresses": "refuse"}), FREE)
    await transport.close()
    assert (refused.vendor_works, blocked.vendor_works) == (False, None)


def circuit_open() -> float | None:
    return REGISTRY.get_sample_value("sluice_vendor_circuit_open", {"vendor": AD_HOC})


async def test_while_the_vendor_fails_one_call_after_a_rest_shows_whether_it_works_and_then_all_are_made(
    topics: Place, payloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ad-hoc vendor, as any other."""
    monkeypatch.setattr(settle_store, "_FIRST_FAULT_REST", settle_store._LEAST_FAILING / 10)
    works, failed, succeeded = False, list[UUID](), set[UUID]()

    async def make(call: Claimed, leave: Leave) -> Outcome:
        if works:
            succeeded.add(call.id)
            return Ended(call, (), None, True, vendor_works=True)
        failed.append(call.id)
        return Later(call, utc_now(), call.attempt + 1, vendor_works=False)

    async with at_work(topics, payloads, make) as (runtime, lanes):
        async with runtime.database.transaction() as tx:
            columns = "vendor, faults, failing_since, paused_until"
            await tx.execute(f"INSERT INTO budgets ({columns}) VALUES ($1, $2, now(), now())", DOWN, FAULTS)
        await ask(runtime, lanes, *[DOWN] * 12)
        await eventually(lambda: circuit_open() == 1, 20)
        await eventually(lambda: len(failed) == 3, 20)
        works = True
        await eventually(lambda: len(succeeded) == 12, 30)
        await eventually(lambda: circuit_open() == 0, 20)
