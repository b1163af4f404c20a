"""The window of each vendor: by priority, one of each job in turn, never more than its quota."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from prometheus_client import REGISTRY

from services.planner.app import build
from services.planner.model import PlannedCall, Resolved, number_tasks
from services.planner.release import store
from services.planner.release.decide import Backlog, ReleaseQuota, Turn
from services.planner.rows import insert_tasks
from services.planner.settings import Settings
from shared.database.pool import Database, Row
from shared.events.catalogue import JOBS_REQUESTED, TASKS_EVENTS
from shared.events.jobs import JobRequested
from shared.events.tasks import Call, TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.specification.source import Poll
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.planner.plans import HIGH, NORMAL, plan
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def release(
    database: Database, quotas: Mapping[str, int], served: Mapping[Turn, UUID] | None = None
) -> list[Row]:
    """What is chosen for these quotas, marked as the loop marks it."""
    async with database.transaction() as tx:
        rows = await store.claim_window(tx, {vendor: ReleaseQuota(free) for vendor, free in quotas.items()}, served)
        await store.mark_released(tx, {row["id"]: None for row in rows})
    return rows


async def loads(database: Database) -> dict[str, int]:
    async with database.transaction() as tx:
        found = await store.find_loads(tx, 2000)
    return {load.vendor: load.outstanding for load in found}


async def test_jobs_take_turns_and_the_more_urgent_go_first(database: Database) -> None:
    large, small = await plan(database, 50), await plan(database, 3)
    urgent = await plan(database, 4, priority=HIGH)
    rows = await release(database, {"acme": 12})
    assert [row["job_id"] for row in rows[:4]] == [urgent] * 4
    assert Counter(row["job_id"] for row in rows) == {urgent: 4, large: 5, small: 3}
    assert [row["number"] for row in rows if row["job_id"] == large] == [0, 1, 2, 3, 4]


async def test_what_waits_is_counted_by_vendor(database: Database) -> None:
    await plan(database, 5)
    await plan(database, 4, state="paused")
    await plan(database, 2, vendor="other")
    rows = await release(database, {"acme": 3, "other": 2})
    async with database.transaction() as tx:
        await tx.execute("UPDATE tasks SET state = 'waiting', rank = 2 WHERE id = $1", rows[0]["id"])
        await tx.execute("UPDATE tasks SET state = 'stored', rank = 3 WHERE vendor = 'other'")
        assert await store.count_backlog(tx) == {"acme": Backlog(planned=6, outstanding=2)}


async def test_vendors_have_a_window_each_and_are_told_apart(database: Database) -> None:
    await plan(database, 10, "acme")
    await plan(database, 10, "beta")
    await plan(database, 10, "gone", state="paused")
    assert await loads(database) == {"acme": 0, "beta": 0, "gone": 0}
    rows = await release(database, {"acme": 3, "beta": 4, "gone": 5})
    assert Counter(row["vendor"] for row in rows) == {"acme": 3, "beta": 4}
    assert await loads(database) == {"acme": 3, "beta": 4, "gone": 0}


async def test_a_paused_job_does_not_stand_in_the_way(database: Database) -> None:
    await plan(database, 10, state="paused")
    goes = await plan(database, 10)
    assert {row["job_id"] for row in await release(database, {"acme": 4})} == {goes}


async def test_a_job_of_many_thousand_tasks_is_released_window_by_window(database: Database) -> None:
    job_id, released = await plan(database, 5_000), list[int]()
    while rows := await release(database, {"acme": 700}):
        assert len(rows) <= 700
        released += [row["number"] for row in rows]
    assert released == list(range(5_000))
    assert await loads(database) == {}
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM tasks WHERE job_id = $1 AND state = 'released'", job_id) == 5_000


async def test_large_calls_go_out_in_several_windows_and_hold_up_no_other_vendor(database: Database) -> None:
    large, _ = await plan(database, 0, "large"), await plan(database, 50, "small")
    call = PlannedCall(Call(body="x" * 200_000))
    async with database.transaction() as tx:
        new = await insert_tasks(tx, [("large", task) for task in number_tasks(large, [call] * 100, 0)])
    assert len(new) == 100
    windows = [await release(database, {"large": 100, "small": 50})]
    assert Counter(row["vendor"] for row in windows[0])["small"] == 50
    while rows := await release(database, {"large": 100}):
        windows.append(rows)
    assert [row["number"] for rows in windows for row in rows if row["job_id"] == large] == list(range(100))
    assert max(sum(len(row["call"]) for row in rows) for rows in windows) < 9 * 2**20


async def test_the_turn_goes_on_behind_the_job_that_was_served_last(database: Database) -> None:
    one, two, three = sorted([await plan(database, 9) for _ in range(3)])
    rows = await release(database, {"acme": 2})
    assert [row["job_id"] for row in rows] == [one, two]
    rows = await release(database, {"acme": 5}, {("acme", NORMAL): two})
    assert [row["job_id"] for row in rows] == [three, one, two, three, one]
    gone = {("acme", NORMAL): new_id(), ("acme", HIGH): two}
    assert [row["job_id"] for row in await release(database, {"acme": 2}, gone)] == [one, two]
    urgent = await plan(database, 1, priority=HIGH)
    rows = await release(database, {"acme": 2}, {("acme", NORMAL): one, ("acme", HIGH): three})
    assert [row["job_id"] for row in rows] == [urgent, two]


def _from(calls: TopicReader, made: int) -> list[Any]:
    return calls.values[made:]


async def test_jobs_take_turns_also_where_there_is_room_for_one_call_at_a_time(
    topics: Place, database: Database, reader_for: ReaderFor, producer: Producer, payloads: Path
) -> None:
    """Each call is over before the next is released: nobody waits for the jobs that came before to be over."""
    fetches, vendor = await reader_for("fetch.requested"), "slow"
    specification = Resolved(vendor=vendor, source="api.example", poll=Poll())
    async with database.transaction() as tx:
        budget = {"windows": [{"requests": 1, "per": "1s"}]}
        contract = orjson.dumps({"vendor": vendor, "base_url": "https://api.example", "budget": budget})
        await tx.execute("INSERT INTO vendors (id, document) VALUES ($1, $2)", vendor, contract)
    jobs = [await plan(database, tasks, vendor=vendor) for tasks in (50, 50, 50)]
    async with database.transaction() as tx:
        document = specification.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        await tx.execute("UPDATE jobs SET specification = $1", document)
    async with running("planner", Settings, build, topics, payloads, planner_window_seconds=1.0):
        for made in range(6):
            [call] = await eventually(partial(_from, fetches, made))
            completed = TaskChanged(
                task_id=call["task_id"],
                job_id=call["job_id"],
                number=call["number"],
                state=TaskState.COMPLETED,
                service="processor",
                records=0,
                distinct=0,
                at=datetime.now(UTC),
            )
            await producer.send([outgoing(TASKS_EVENTS, call["job_id"], completed)])
        assert Counter(UUID(call["job_id"]) for call in fetches.values[:6]) == dict.fromkeys(jobs, 2)


async def plan_thousands(database: Database, state: str) -> None:
    """So many jobs of one task."""
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO jobs (id, state, vendor, priority, specification, planned, open)
            SELECT md5(number::text)::uuid, $1, 'acme', 1, '{}', 1, 1 FROM generate_series(1, 5000) AS number""",
            state,
        )
        await tx.execute(
            """INSERT INTO tasks (id, job_id, number, vendor, priority, purpose, call, position)
            SELECT gen_random_uuid(), jobs.id, 0, 'acme', 1, 'page', '{}', 0 FROM jobs"""
        )


async def looked_at(database: Database, name: str, *arguments: Any) -> int:
    """The most rows that a part of the query gives."""
    async with database.transaction() as tx:
        plan = await tx.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {store.SQL[name]}", *arguments)
    return max(int(float(line.split("rows=")[-1].split()[0])) for (line,) in plan if "actual" in line)


async def test_what_is_looked_at_does_not_grow_with_the_jobs_that_are_open(database: Database) -> None:
    await plan_thousands(database, "running")
    async with database.transaction() as tx:
        served = await tx.fetchval("SELECT id FROM jobs ORDER BY id OFFSET 4995 LIMIT 1")
    assert await looked_at(database, "find_loads", 2000) <= 50
    assert await looked_at(database, "claim_window", ["acme"], [NORMAL], [10], [served], [], 2**20) <= 50


async def test_what_is_looked_at_does_not_grow_with_the_jobs_that_are_paused(database: Database) -> None:
    await plan_thousands(database, "paused")
    running = sorted([await plan(database, 3), await plan(database, 3)])
    for served in (UUID(int=0), *running):
        assert await looked_at(database, "claim_window", ["acme"], [NORMAL], [10], [served], [], 2**20) <= 50
    rows = await release(database, {"acme": 10}, {("acme", NORMAL): running[0]})
    assert [row["job_id"] for row in rows] == [running[1], running[0]] * 3


async def test_a_job_that_cannot_be_read_fails_and_holds_back_no_other(
    topics: Place, database: Database, reader_for: ReaderFor, producer: Producer, payloads: Path
) -> None:
    fetches, jobs = await reader_for("fetch.requested"), await reader_for("jobs.events")
    unreadable, good = await plan(database, 3, vendor="url:api.example", priority=HIGH), new_id()
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET specification = '{\"poll\": 7}' WHERE id = $1", unreadable)
    before = REGISTRY.get_sample_value("sluice_jobs_ended_total", {"state": "failed"}) or 0.0
    async with running("planner", Settings, build, topics, payloads):
        requested = JobRequested.model_validate({"url": "https://api.example/items", "id": str(good)})
        await producer.send([outgoing(JOBS_REQUESTED, good, requested)])
        [call] = await eventually(lambda: fetches.of_type("fetch.requested"))
        assert call["job_id"] == str(good)
        [ended] = await eventually(lambda: jobs.of_type("job.ended"))
        assert (ended["job_id"], ended["state"]) == (str(unreadable), "failed")
        assert ended["reason"].startswith("specification_unreadable")
        assert (ended["counts"]["planned"], ended["counts"]["cancelled"]) == (3, 3)
        assert REGISTRY.get_sample_value("sluice_jobs_ended_total", {"state": "failed"}) == before + 1


async def test_a_call_that_does_not_fit_fails_its_task_and_holds_back_no_other(
    topics: Place, database: Database, reader_for: ReaderFor, producer: Producer, payloads: Path
) -> None:
    fetches, jobs, tasks = [await reader_for(topic) for topic in ("fetch.requested", "jobs.events", "tasks.events")]
    poison, good = await plan(database, 2, vendor="url:api.example", priority=HIGH), new_id()
    specification = Resolved(vendor="url:api.example", source="api.example", poll=Poll())
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE jobs SET specification = $2, discovery_over = true WHERE id = $1",
            poison,
            specification.model_dump_json(by_alias=True, exclude_defaults=True).encode(),
        )
        large = orjson.dumps({"path": "/items", "body": "x" * 1_200_000})
        await tx.execute("UPDATE tasks SET call = $2 WHERE job_id = $1 AND number = 0", poison, large)
    async with running("planner", Settings, build, topics, payloads):
        requested = JobRequested.model_validate({"url": "https://other.example/items", "id": str(good)})
        await producer.send([outgoing(JOBS_REQUESTED, good, requested)])
        await eventually(lambda: len(fetches.values) == 2, 30)
        [neighbour, other] = sorted(fetches.values, key=lambda call: str(call["job_id"] == str(good)))
        assert (neighbour["job_id"], neighbour["number"]) == (str(poison), 1)
        assert other["job_id"] == str(good)
        completed = TaskChanged(
            task_id=neighbour["task_id"],
            job_id=poison,
            number=1,
            state=TaskState.COMPLETED,
            service="processor",
            records=0,
            distinct=0,
            at=datetime.now(UTC),
        )
        await producer.send([outgoing(TASKS_EVENTS, poison, completed)])
        [dead] = await eventually(lambda: tasks.of_type("dead", "state"))
        assert (dead["job_id"], dead["number"]) == (str(poison), 0)
        assert dead["reason"].startswith("too_large: an event of 1")
        [ended] = await eventually(lambda: jobs.of_type("job.ended"))
        assert (ended["job_id"], ended["state"], ended["counts"]["failed"]) == (str(poison), "failed", 1)
        assert (ended["failures"], ended["dead"]) == ([{"reason": "too_large", "count": 1}], 1)


async def specify(database: Database, job_id: UUID, vendor: str) -> None:
    """What the job runs with, so that its tasks can be told."""
    document = Resolved(vendor=vendor, source=str(job_id), poll=Poll()).model_dump_json(exclude_defaults=True).encode()
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET specification = $2 WHERE id = $1", job_id, document)


async def test_a_job_whose_pages_cannot_be_processed_holds_back_no_other(
    topics: Place, database: Database, reader_for: ReaderFor, payloads: Path
) -> None:
    """As where its topic was deleted: neither other jobs of its vendor wait for it, nor other vendors."""
    fetches = await reader_for("fetch.requested")
    stuck, neighbour, other = [await plan(database, *job) for job in ((14, "one"), (3, "one"), (3, "two"))]
    for job_id, vendor in ((stuck, "one"), (neighbour, "one"), (other, "two")):
        await specify(database, job_id, vendor)
    async with database.transaction() as tx:
        await tx.execute("UPDATE tasks SET state = 'stored', rank = 3 WHERE job_id = $1 AND number < 11", stuck)
    async with running("planner", Settings, build, topics, payloads, planner_unprocessed=10):
        await eventually(lambda: len(fetches.values) == 6, 30)
        assert Counter(UUID(call["job_id"]) for call in fetches.values) == {neighbour: 3, other: 3}
        async with database.transaction() as tx:
            await tx.execute("UPDATE tasks SET state = 'completed', rank = 9 WHERE job_id = $1 AND number = 0", stuck)
        await eventually(lambda: len(fetches.values) == 9, 30)


async def test_calls_that_wait_to_be_tried_again_take_no_room_from_other_jobs(
    topics: Place, database: Database, reader_for: ReaderFor, payloads: Path
) -> None:
    """But a job that fails at every call is not released as a whole."""
    fetches = await reader_for("fetch.requested")
    failing, healthy = [await plan(database, tasks, "one") for tasks in (200, 10)]
    for job_id in (failing, healthy):
        await specify(database, job_id, "one")
    async with database.transaction() as tx:
        await tx.execute("UPDATE tasks SET state = 'retrying', rank = 2 WHERE job_id = $1 AND number < 150", failing)
    async with running("planner", Settings, build, topics, payloads):
        await eventually(lambda: len(fetches.values) == 10, 30)
        assert {UUID(call["job_id"]) for call in fetches.values} == {healthy}


async def test_webhooks_that_are_tried_again_for_hours_keep_nobody_of_their_host_waiting(database: Database) -> None:
    failing, _ = await plan(database, 5), await plan(database, 1)
    async with database.transaction() as tx:
        tried = "UPDATE tasks SET state = 'retrying', rank = 2, purpose = 'deliver' WHERE job_id = $1"
        await tx.execute(tried, failing)
        [load] = await store.find_loads(tx, 2000)
    assert (load.outstanding, load.retrying) == (0, {})


async def test_what_is_out_for_a_paused_job_takes_no_room_from_others(database: Database) -> None:
    paused, _ = await plan(database, 5), await plan(database, 5)
    await release(database, {"acme": 6})
    assert await loads(database) == {"acme": 6}
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET state = 'paused' WHERE id = $1", paused)
    assert await loads(database) == {"acme": 3}
