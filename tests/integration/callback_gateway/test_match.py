"""Callbacks and the tasks that wait for them find each other, whichever comes first, and at the same time; what is for
nobody ends as a dead letter."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.callback_gateway.match import store
from services.callback_gateway.match.handler import expect_callbacks, match_callbacks
from services.callback_gateway.match.loop import Unmatched
from services.callback_gateway.settings import Settings
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.events.envelope import Incoming
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from shared.specification.vendor import Callbacks
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.callback_gateway.callbacks import NOW, RULES, expected, received, run
from tests.integration.callback_gateway.outages import crash
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.stack import Place

Step = Callable[[Any], Awaitable[list[Outgoing]]]


async def verdicts(database: Database) -> list[str]:
    async with database.transaction() as tx:
        return [row["verdict"] for row in await tx.fetch("SELECT verdict FROM callbacks ORDER BY id")]


async def age(database: Database) -> None:
    """As if what is parked had been so for two hours."""
    async with database.transaction() as tx:
        await tx.execute("UPDATE callbacks SET parked_at = parked_at - interval '2 hours'")


async def sweep(topics: Place, database: Database, producer: Producer, payloads: Path) -> None:
    runtime: Runtime[Any] = Runtime(topics.settings(Settings, payloads), database, producer, PayloadStore("memory://"))
    await Unmatched(runtime).step()


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("callback-gateway")


@pytest.mark.parametrize("first", ["task", "callback"])
@pytest.mark.parametrize("by", ["token", "id"])
async def test_they_find_each_other_in_both_orders(database: Database, first: str, by: str) -> None:
    task_id = new_id()
    waits = [expected(task_id), expected(task_id, vendor_job="r1")]
    came = received(task_id) if by == "token" else received(vendor_job="r1")
    told = await run(database, *([*waits, came] if first == "task" else [came, *waits]))
    assert [(one["task_id"], one["reported"], one["vendor_job"], one["state"]) for one in told] == [
        (str(task_id), "done", "r1", "waiting")
    ]
    assert await verdicts(database) == ["accepted"]


@pytest.mark.parametrize("by", ["token", "id"])
@pytest.mark.parametrize("first", ["task", "callback"])
async def test_whoever_comes_second_waits_for_the_first_to_commit(database: Database, by: str, first: str) -> None:
    """Two transactions that each look for the other's row before either is committed would both find nothing."""
    task_id = new_id()
    waits = expected(task_id, vendor_job="r1")
    came = received(task_id) if by == "token" else received(vendor_job="r1")
    one, other = (waits, came) if first == "task" else (came, waits)
    handlers: dict[type, Any] = {CallbackExpected: expect_callbacks, CallbackReceived: match_callbacks}
    async with database.transaction() as tx:
        told = list(await handlers[type(one.event)](tx, [one]))
        second = asyncio.create_task(run(database, other))
        await eventually(lambda: waiting(database))
    assert len(told) + len(await second) == 1
    assert await verdicts(database) == ["accepted"]


async def test_many_at_once_each_count_once(database: Database) -> None:
    tasks = [new_id() for _ in range(30)]
    events: list[Incoming[Any]] = []
    for number, task_id in enumerate(tasks):
        events += [expected(task_id), expected(task_id, vendor_job=f"r{number}")]
        events += [received(task_id), received(vendor_job=f"r{number}"), received(task_id)]
    events.sort(key=lambda one: hash(one.id))
    told = [message for batch in await asyncio.gather(*(run(database, one) for one in events)) for message in batch]
    assert sorted(one["task_id"] for one in told) == sorted(map(str, tasks))
    assert sorted(await verdicts(database)) == ["accepted"] * 30 + ["duplicate"] * 60


async def test_a_task_hears_once_of_the_vendors_id(database: Database) -> None:
    """Of all that repeat an outcome, only the first one that brings the id is told to the task."""
    task_id, bare = new_id(), base64.b64encode(b'{"ok":true}').decode()
    came = [received(task_id, body=bare), received(task_id), received(task_id), received(task_id, body=bare)]
    told = await run(database, expected(task_id), *came)
    assert [one.get("vendor_job") for one in told] == [None, "r1"]
    assert await run(database, expected(task_id), received(task_id)) == []
    assert await verdicts(database) == ["accepted", *["duplicate"] * 4]


@pytest.mark.parametrize("first", ["tasks", "callback"])
async def test_all_tasks_that_wait_for_one_job_of_the_vendors_hear_of_it(database: Database, first: str) -> None:
    """A vendor may answer two equal submits with one job, and call back once."""
    tasks = [new_id(), new_id()]
    came, again = received(vendor_job="r1"), received(vendor_job="r1")
    async with database.transaction() as tx:
        if first == "callback":
            assert not await match_callbacks(tx, [came])
        told = await expect_callbacks(tx, [expected(one, vendor_job="r1") for one in tasks])
        if first == "tasks":
            told = await match_callbacks(tx, [came])
    assert {orjson.loads(one.value or b"")["task_id"] for one in told} == set(map(str, tasks))
    assert len({dict(one.headers)["ce_id"] for one in told}) == 2
    assert await run(database, again) == []
    assert sorted(await verdicts(database)) == ["accepted", "duplicate"]


@pytest.mark.parametrize("first", ["told", "parked", "late"])
async def test_a_task_that_comes_to_a_vendors_job_after_its_callback_hears_of_it_once(
    database: Database, first: str
) -> None:
    """The callback came while the answer to its submit was on its way, and another task had that job already."""
    one, two, came = expected(new_id(), vendor_job="r1"), new_id(), received(vendor_job="r1")
    if first == "late":
        assert await run(database, expected(one.event.task_id, vendor_job="r1", over=True), came) == []
    else:
        assert len(await run(database, *([came, one] if first == "parked" else [one, came]))) == 1
    answered = expected(two, vendor_job="r1", submitted_at=NOW - timedelta(seconds=1))
    told = await run(database, expected(two), answered, answered, received(vendor_job="r1"))
    assert [(message["task_id"], message["reported"]) for message in told] == [(str(two), "done")]
    assert sorted(await verdicts(database)) == ["accepted", "duplicate"]


@pytest.mark.parametrize("why", ["of an earlier job", "by token", "after a submit of unknown time", "no outcome"])
async def test_a_task_hears_of_nothing_that_another_was_told_but_the_outcome_of_its_own_vendor_job(
    database: Database, why: str
) -> None:
    """Vendors use their ids again: what came before the submit left is of another job under the same id."""
    one, two = new_id(), new_id()
    rules = Callbacks.model_validate({"outcome": {"progress": "body.ok"}}) if why == "no outcome" else RULES
    came = received(one) if why == "by token" else received(vendor_job="r1")
    assert len(await run(database, expected(one, vendor_job="r1", rules=rules), came)) == 1
    second = timedelta(seconds=1)
    left_at = {"of an earlier job": NOW + second, "after a submit of unknown time": None}.get(why, NOW - second)
    assert await run(database, expected(two), expected(two, vendor_job="r1", submitted_at=left_at)) == []


async def test_clocks_that_differ_a_little_hide_no_outcome(database: Database) -> None:
    """The gateway wrote down when the callback came, the fetcher when the submit left."""
    one, two = new_id(), new_id()
    assert len(await run(database, expected(one, vendor_job="r1"), received(vendor_job="r1"))) == 1
    answered = expected(two, vendor_job="r1", submitted_at=NOW + timedelta(seconds=0.05))
    told = await run(database, expected(two), answered)
    assert [(message["task_id"], message["reported"]) for message in told] == [(str(two), "done")]


async def test_a_task_whose_next_round_has_the_same_vendor_job_hears_of_it_in_that_round(database: Database) -> None:
    """The callback was taken for the round before: that the next one had begun was not known yet."""
    task_id = new_id()
    async with database.transaction() as tx:
        await expect_callbacks(tx, [expected(task_id, vendor_job="r1")])
        told = await match_callbacks(tx, [received(vendor_job="r1")])
        answered = expected(task_id, vendor_job="r1", round=1, submitted_at=NOW - timedelta(seconds=1))
        told += await expect_callbacks(tx, [answered])
    events = [orjson.loads(one.value or b"") for one in told]
    assert [(one["round"], one["reported"]) for one in events] == [(0, "done"), (1, "done")]
    assert len({dict(one.headers)["ce_id"] for one in told}) == 2


async def test_a_round_is_over_when_the_next_begins(database: Database) -> None:
    task_id = new_id()
    first, second = received(task_id), received(task_id, round=1)
    told = await run(database, expected(task_id), second, expected(task_id, over=True), first)
    assert told == []
    assert sorted(await verdicts(database)) == ["late", "parked"]
    assert [one["round"] for one in await run(database, expected(task_id, round=1))] == [1]
    assert sorted(await verdicts(database)) == ["accepted", "late"]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_wait_that_was_extended_stays_so_whatever_is_told_late(database: Database, at_once: bool) -> None:
    """Two planners tell what they have written, one after the other or the other way round."""
    task_id, hour = new_id(), timedelta(hours=1)
    waits = [expected(task_id, vendor_job="r1", deadline_at=NOW + hours * hour) for hours in (2, 1)]
    for batch in [waits] if at_once else [[one] for one in waits]:
        async with database.transaction() as tx:
            await expect_callbacks(tx, batch)
    told = await run(database, received(vendor_job="r1", received_at=NOW + 1.5 * hour))
    assert [one["reported"] for one in told] == ["done"]


async def test_what_is_for_nobody_becomes_a_dead_letter_in_its_time(
    topics: Place,
    database: Database,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash before the commit sends the same once more."""
    dead = await reader_for("callback-gateway.dead")
    await run(database, received(vendor_job="strange"))
    await age(database)
    await run(database, received(vendor_job="new"))
    with monkeypatch.context() as patched:
        patched.setattr(store, "close_unmatched", crash)
        with pytest.raises(Unavailable, match="died"):
            await sweep(topics, database, producer, payloads)
    assert await verdicts(database) == ["parked", "parked"]
    for _ in range(2):
        await sweep(topics, database, producer, payloads)
    await eventually(lambda: len(dead.records) >= 2)
    first, again = dead.records
    assert (first.key, first.value, first.headers) == (again.key, again.value, again.headers)
    letter = dead.values[0]
    assert letter["reason"] == "unmatched_callback"
    assert orjson.loads(base64.b64decode(letter["original"]["value"]))["vendor_job"] == "strange"
    assert await verdicts(database) == ["unknown", "parked"]


async def test_a_callback_that_lay_in_the_spool_for_long_waits_for_its_task_nevertheless(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> None:
    """The planner was away for as long, and has yet to tell the vendor's id."""
    began = NOW - timedelta(hours=2)
    await run(database, received(vendor_job="r1", received_at=began))
    await sweep(topics, database, producer, payloads)
    assert await verdicts(database) == ["parked"]
    answered = expected(new_id(), vendor_job="r1", submitted_at=began - timedelta(seconds=1))
    assert [one["reported"] for one in await run(database, answered)] == ["done"]
    assert await verdicts(database) == ["accepted"]


@pytest.mark.parametrize("first", ["task", "callback"])
async def test_a_callback_for_a_job_that_was_submitted_elsewhere_is_for_no_task_that_gets_its_id_later(
    database: Database, first: str
) -> None:
    """The vendor uses its ids again: `report-2026-01` is another job now. The old callback may be read after that."""
    task_id = new_id()
    old = received(vendor_job="r1", received_at=NOW - timedelta(days=1))
    waits = [expected(task_id), expected(task_id, vendor_job="r1", submitted_at=NOW)]
    assert await run(database, *([*waits, old] if first == "task" else [old, *waits])) == []
    assert await verdicts(database) == ["parked"]
    assert [one["reported"] for one in await run(database, received(vendor_job="r1"))] == ["done"]
    assert await verdicts(database) == ["parked", "accepted"]


async def test_a_callback_between_two_tries_of_a_submit_is_for_its_task(database: Database) -> None:
    """The answer to the first try was lost; the vendor knows the second one by its idempotency key."""
    task_id, second_try = new_id(), NOW + timedelta(minutes=1)
    answered = expected(task_id, vendor_job="r1", submitted_at=second_try)
    told = await run(database, expected(task_id), received(vendor_job="r1"), answered)
    assert [one["reported"] for one in told] == ["done"]


async def test_a_task_that_an_earlier_release_expected_hears_of_what_was_parked(database: Database) -> None:
    task_id = new_id()
    await run(database, received(vendor_job="r1"), expected(task_id))
    async with database.transaction() as tx:
        await tx.execute("UPDATE expectations SET since = DEFAULT")
    assert [one["reported"] for one in await run(database, expected(task_id, vendor_job="r1"))] == ["done"]


@pytest.mark.parametrize("by", ["token", "id"])
async def test_a_callback_that_was_given_up_is_accepted_by_the_task_that_comes_after_all(
    topics: Place, database: Database, producer: Producer, payloads: Path, by: str
) -> None:
    """Its dead letter is told by then: sent again, it changes nothing."""
    task_id = new_id()
    came = received(task_id) if by == "token" else received(vendor_job="r1")
    await run(database, came)
    await age(database)
    await sweep(topics, database, producer, payloads)
    assert await verdicts(database) == ["unknown"]
    assert [one["reported"] for one in await run(database, expected(task_id, vendor_job="r1"))] == ["done"]
    assert await run(database, came, expected(task_id, vendor_job="r1")) == []
    assert await verdicts(database) == ["accepted"]


async def test_a_callback_that_is_sent_again_is_parked_as_long_as_at_first(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> None:
    came = received(vendor_job="r1")
    await run(database, came)
    await age(database)
    await sweep(topics, database, producer, payloads)
    await run(database, came)
    await sweep(topics, database, producer, payloads)
    assert await verdicts(database) == ["parked"]
