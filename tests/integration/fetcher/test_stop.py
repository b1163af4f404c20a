"""A fetcher that is told to stop: nothing that a vendor has answered is lost, and what is still open stays its own."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.fetcher.app import build
from services.fetcher.call.messages import Change, changed
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.model import Claimed, Ended, Leave, Outcome
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.errors import Unavailable
from shared.events.tasks import TaskState
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.app import App, Runtime
from shared.runtime.clock import utc_now
from shared.runtime.service import Process, open_runtime
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher import site as vendors
from tests.integration.fetcher.calls import claim, states, wanted
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import configured, held
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.running import running
from tests.support.stack import Place

PAGE = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"items": []}'


async def test_while_one_call_is_still_open_the_others_are_told_and_it_stays_its_fetchers(
    topics: Place,
    producer: Producer,
    database_for: DatabaseFor,
    reader_for: ReaderFor,
    payloads: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, database = await reader_for("payloads.stored"), await database_for("fetcher")
    may_answer = defaultdict[str, asyncio.Event](asyncio.Event)

    async def answer_then(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
        await may_answer[query].wait()
        writer.write(PAGE)

    async def lived() -> bool:
        async with database.transaction() as tx:
            return bool(await tx.fetchval("SELECT bool_or(seen_at > $1) FROM fetchers", stopped_at))

    monkeypatch.setitem(vendors.ACTS, "/held", answer_then)
    settings, stopping = topics.settings(Settings, payloads, fetcher_lease_seconds=3), asyncio.Event()
    runtime = open_runtime("fetcher", settings)
    await runtime.database.open()
    await runtime.producer.open()
    app = build(runtime)
    [lanes] = app.workers
    assert isinstance(lanes, Lanes)
    process = asyncio.create_task(Process("fetcher", runtime, app).run(stopping))
    try:
        await producer.send([configured(site), held("soon"), held("late")])
        await eventually(lambda: len(site.heads) == 2, 30)
        stopping.set()
        await eventually(lambda: lanes.stopping, 30)
        stopped_at = utc_now()
        may_answer["until=soon"].set()
        await eventually(lambda: len(told.values) == 1, 12)
        await eventually(lived, 12)
        may_answer["until=late"].set()
        assert await process == 0
        await eventually(lambda: len(told.values) == 2)
        assert await states(database) == {}
    finally:
        stopping.set()
        await process
        await runtime.producer.close()
        await runtime.database.close()


async def test_a_fetcher_that_has_stopped_has_closed_the_connections_that_it_kept(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site
) -> None:
    told, apps = await reader_for("payloads.stored"), list[App]()

    def built(runtime: Runtime[Settings]) -> App:
        apps.append(build(runtime))  # held until the end: what is forgotten is closed, too, but by chance
        return apps[0]

    async with running("fetcher", Settings, built, topics, payloads):
        await producer.send([configured(site), held("now")])
        await eventually(lambda: len(told.values) == 1)
        assert site.open_connections == 1
    await eventually(lambda: site.open_connections == 0)


async def test_what_is_answered_is_told_though_another_call_is_open_when_the_time_is_over(
    topics: Place, payloads: Path, database_for: DatabaseFor
) -> None:
    """By the lanes themselves: the loops that write and tell may have ended."""
    is_open = asyncio.Event()

    async def hang(call: Claimed, leave: Leave) -> Outcome:
        is_open.set()
        await asyncio.Event().wait()
        raise AssertionError

    database, fetcher_id = await database_for("fetcher"), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    [call] = await claim(database, fetcher_id)
    runtime = open_runtime("fetcher", topics.settings(Settings, payloads))
    await runtime.database.open()
    await runtime.producer.open()
    settlement, settled = Settlement(runtime.database, runtime.producer, fetcher_id), list[None]()
    lanes = Lanes(runtime, settlement, fetcher_id, hang)
    running = asyncio.create_task(lanes.run())
    try:
        async with database.transaction() as tx:
            await enqueue_calls(tx, [wanted(new_id(), vendor="url:host.example")])
        lanes.wake()
        await asyncio.wait_for(is_open.wait(), 20)
        message = changed(call, Change(TaskState.COMPLETED), utc_now())
        settlement.add(Ended(call, (message,), None, succeeded=True), lambda: settled.append(None))
        lanes.stop()
        running.cancel()
        await asyncio.wait([running], timeout=20)
        assert len(settled) == 1
        assert call.id not in await states(database)
    finally:
        await runtime.producer.close()
        await runtime.database.close()


async def test_a_round_that_is_under_way_while_the_rest_is_written_loses_nothing(
    topics: Place, producer: Producer, database_for: DatabaseFor
) -> None:
    """More outcomes than one round takes; the loop has one in hand when the process begins to write the rest."""
    database, fetcher_id, count = await database_for("fetcher"), new_id(), 201
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(count)])
    calls = [call for _ in range(3) for call in await claim(database, fetcher_id)]
    settlement, settled = Settlement(database, producer, fetcher_id), list[None]()
    for call in calls:
        message = changed(call, Change(TaskState.COMPLETED), utc_now())
        settlement.add(Ended(call, (message,), None, succeeded=True), lambda: settled.append(None))

    async with database.transaction() as other:
        await other.execute("SELECT FROM calls FOR UPDATE")
        in_hand = asyncio.create_task(settlement.write())
        await eventually(lambda: waiting(database), 20)
        draining = asyncio.create_task(settlement.drain(within_seconds=20))
    await asyncio.gather(in_hand, draining)
    assert (len(settled), await states(database)) == (count, {})


async def test_rows_of_reported_calls_that_cannot_be_deleted_are_tried_again_after_a_pause(
    topics: Place, producer: Producer, database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres is away when nothing else is left to do."""
    database, fetcher_id, tries = await database_for("fetcher"), new_id(), list[None]()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    [call] = await claim(database, fetcher_id)
    settlement = Settlement(database, producer, fetcher_id)
    message = changed(call, Change(TaskState.COMPLETED), utc_now())
    settlement.add(Ended(call, (message,), None, succeeded=True), lambda: None)
    await settlement.write()
    await settlement.send()

    @asynccontextmanager
    async def refuses() -> AsyncIterator[None]:
        tries.append(None)
        await asyncio.sleep(0)
        raise Unavailable("refused")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(database, "transaction", refuses)
        with pytest.raises(TimeoutError):
            await settlement.drain(within_seconds=3)
    assert 1 < len(tries) < 30
    await settlement.drain(within_seconds=20)
    assert await states(database) == {}
