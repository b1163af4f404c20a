"""schedules.requested, the clock and jobs.events → firings, once, whoever dies when."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.scheduler.app import build
from services.scheduler.schedules import store
from services.scheduler.schedules.loop import FailAbandoned, FireSchedules
from services.scheduler.schedules.model import Kept, ScheduleWithFirings
from services.scheduler.settings import Settings
from services.scheduler.timers.loop import Fire
from shared.database.pool import Database
from shared.events.catalogue import DEAD, JOBS_EVENTS, SCHEDULES_REQUESTED
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.schedules import ScheduleRequested, ScheduleState, schedule_id_of
from shared.ids import derived_id, new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from shared.specification.schedule import Schedule
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

START = {"source": "acme-orders", "parameters": {"at": "{schedule.time}", "number": 10**30 + 1}}


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("scheduler")


@pytest.fixture
async def runtime(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> AsyncIterator[Runtime[Settings]]:
    settings = topics.settings(Settings, payloads, scheduler_block=100)
    yield Runtime(settings, database, producer, PayloadStore(payloads.as_uri()))


async def ask(producer: Producer, schedule_id: UUID, action: str = "put", **document: Any) -> None:
    event = ScheduleRequested.model_validate(
        {"schedule_id": schedule_id, "action": action, "schedule": {"start": START, **document} if document else None}
    )
    await producer.send([outgoing(SCHEDULES_REQUESTED, schedule_id, event)])


async def end(producer: Producer, job_id: str, state: JobState = JobState.COMPLETED, **fields: Any) -> None:
    about = {"job_id": job_id, "state": state, "reason": "by the test", "counts": JobCounts(), "at": utc_now()}
    event = JobEnded.model_validate({**about, **fields})
    await producer.send([outgoing(JOBS_EVENTS, job_id, event)])


def told(reader: TopicReader, schedule_id: UUID) -> list[str]:
    return [fact["fact"] for fact in reader.values if fact["schedule_id"] == str(schedule_id)]


def has(reader: TopicReader, wanted: int) -> bool:
    return len(reader.values) == wanted


def has_failed(reader: TopicReader, schedule_id: UUID, times: int) -> bool:
    return told(reader, schedule_id).count("failed") == times


def jobs(reader: TopicReader) -> list[str]:
    return [job["id"] for job in reader.values]


async def keep(database: Database, due_at: datetime, count: int, **fields: Any) -> dict[UUID, ScheduleWithFirings]:
    """Schedules of one time that has come, as the handler leaves them."""
    schedule = Schedule.model_validate({"triggerAt": due_at, "start": START, **fields})
    ids = [new_id() for _ in range(count)]
    after = {one: ScheduleWithFirings(one, Kept(schedule, ScheduleState.ACTIVE, due_at, due_at)) for one in ids}
    async with database.transaction() as tx:
        await store.save(tx, {one: ScheduleWithFirings(one) for one in ids}, after, due_at)
    return after


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        found: int = await tx.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_a_one_time_schedule_runs_as_one_job_and_goes(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    requested, facts = await reader_for("jobs.requested"), await reader_for("schedules.events")
    schedule_id = new_id()
    async with running("scheduler", Settings, build, topics, payloads):
        at = utc_now() + timedelta(seconds=3)
        await ask(producer, schedule_id, triggerAt=at.isoformat())
        await eventually(lambda: requested.values, 30)
        [job] = requested.values
        assert job["id"] == str(schedule_id)
        assert datetime.fromisoformat(job["parameters"]["at"]) == at
        assert json.loads(requested.records[0].value or b"")["parameters"]["number"] == 10**30 + 1
        assert requested.records[0].timestamp / 1000 >= at.timestamp() - 0.001
        await end(producer, job["id"])
        expected = ["created", "fired", "succeeded", "removed"]
        await eventually(lambda: sorted(told(facts, schedule_id)) == sorted(expected), 30)
    assert (await count(database, "schedules"), await count(database, "firings")) == (0, 0)
    assert await count(database, "timers") == 0


async def test_a_one_time_schedule_that_failed_and_is_given_another_time_starts_another_job(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    requested, schedule_id = await reader_for("jobs.requested"), new_id()
    facts = await reader_for("schedules.events")
    async with running("scheduler", Settings, build, topics, payloads):
        for number in range(3):
            await ask(producer, schedule_id, triggerAt=utc_now().isoformat(), past="run")
            await eventually(partial(has, requested, number + 1), 30)
            await end(producer, jobs(requested)[number], JobState.FAILED)
            await eventually(partial(has_failed, facts, schedule_id, number + 1), 30)
    assert jobs(requested)[0] == str(schedule_id)
    assert len(set(jobs(requested))) == 3


async def test_a_schedule_is_changed_paused_triggered_and_deleted_in_order(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    requested, facts = await reader_for("jobs.requested"), await reader_for("schedules.events")
    schedule_id = new_id()
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, schedule_id, every="1h")
        await ask(producer, schedule_id, cron="0 3 * * *", zone="Europe/Berlin")
        for action in ("pause", "trigger", "resume", "delete"):
            await ask(producer, schedule_id, action)
        expected = ["created", "changed", "paused", "fired", "resumed", "removed"]
        await eventually(lambda: told(facts, schedule_id) == expected, 30)
        await eventually(lambda: len(requested.values) == 1, 30)
        await end(producer, requested.values[0]["id"], JobState.FAILED)
        await eventually(lambda: told(facts, schedule_id) == [*expected, "failed"], 30)
    assert (await count(database, "schedules"), await count(database, "firings")) == (0, 0)


async def test_a_failed_run_is_started_again_and_in_the_end_told(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    requested, notices = await reader_for("jobs.requested"), await reader_for("notifications")
    facts = await reader_for("schedules.events")
    schedule_id, on_failure = new_id(), {"reschedule": {"after": "200ms", "at_most": 2}}
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, schedule_id, triggerAt=utc_now().isoformat(), past="run", on_failure=on_failure)
        for number in range(3):
            await eventually(partial(has, requested, number + 1), 30)
            await end(producer, jobs(requested)[number], JobState.FAILED)
        await eventually(lambda: told(facts, schedule_id)[-1:] == ["failed"], 30)
        [notice] = await eventually(lambda: notices.values, 30)
    assert notice["event"]["data"]["reason"] == "by the test"
    assert sorted(told(facts, schedule_id)) == sorted(["created", *["fired", "rescheduled"] * 2, "fired", "failed"])
    assert len(set(jobs(requested))) == 3


async def test_a_failed_run_that_is_redriven_and_succeeds_is_not_started_again(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    requested, facts = await reader_for("jobs.requested"), await reader_for("schedules.events")
    schedule_id, on_failure = new_id(), {"reschedule": {"after": "1h"}}
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, schedule_id, triggerAt=utc_now().isoformat(), past="run", on_failure=on_failure)
        await eventually(partial(has, requested, 1), 30)
        [job_id] = jobs(requested)
        await end(producer, job_id, JobState.FAILED)
        await eventually(lambda: "rescheduled" in told(facts, schedule_id), 30)
        await end(producer, job_id)
        await eventually(lambda: told(facts, schedule_id)[-2:] == ["succeeded", "removed"], 30)
    assert (await count(database, "schedules"), await count(database, "firings")) == (0, 0)


@pytest.mark.parametrize(
    "about",
    [
        {"failures": [{"reason": "refused_400", "count": 2}, {"reason": "outcome_unknown", "count": 1}]},
        {"reason": "outcome_unknown: timeout"},
    ],
)
async def test_a_run_with_a_call_of_unknown_outcome_is_told_and_not_started_again(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, about: dict[str, Any]
) -> None:
    """The vendor may have charged for it."""
    requested, notices = await reader_for("jobs.requested"), await reader_for("notifications")
    facts = await reader_for("schedules.events")
    schedule_id, on_failure = new_id(), {"reschedule": {"after": "100ms"}}
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, schedule_id, triggerAt=utc_now().isoformat(), past="run", on_failure=on_failure)
        await eventually(partial(has, requested, 1), 30)
        await end(producer, jobs(requested)[0], JobState.FAILED, **about)
        await eventually(lambda: len(facts.values) == 3 and notices.values, 30)
    assert sorted(told(facts, schedule_id)) == sorted(["created", "fired", "failed"])


async def test_a_shell_script_may_ask_with_bare_json(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    facts = await reader_for("schedules.events")
    named = json.dumps({"schedule": {"schedule": "hourly", "every": "1h", "start": START}}).encode()
    nameless = json.dumps({"schedule": {"every": "1h", "start": START}}).encode()
    async with running("scheduler", Settings, build, topics, payloads):
        await producer.send([Outgoing(SCHEDULES_REQUESTED.name, "k", value, ()) for value in (named, nameless, named)])
        await eventually(lambda: len(facts.values) == 3, 30)
    assert [fact["fact"] for fact in facts.values if fact["schedule_id"] == str(schedule_id_of("hourly"))] == [
        "created",
        "changed",
    ]


async def test_mistakes_are_told_and_put_aside(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    facts, dead = await reader_for("schedules.events"), await reader_for(DEAD["scheduler"].name)
    schedule_id = new_id()
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, schedule_id, cron="0 0 31 2 *", zone="Mars/X")
        await ask(producer, new_id(), "pause")
        await eventually(lambda: len(dead.values) == 2, 30)
        await eventually(lambda: told(facts, schedule_id) == ["rejected"], 30)
    assert {letter["reason"] for letter in dead.values} == {"schema_invalid", "unknown_schedule"}
    [fact] = facts.values
    assert {mistake["pointer"] for mistake in fact["mistakes"]} == {"/cron", "/zone"}
    assert fact["state"] == "rejected"


async def test_two_replicas_fire_each_schedule_once(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    requested, facts = await reader_for("jobs.requested"), await reader_for("schedules.events")
    kept = await keep(database, utc_now() - timedelta(seconds=1), 2000)

    async def replica() -> int:
        rounds = 0
        schedules, timers = FireSchedules(database, lambda: None), Fire(runtime)
        while await count(database, "schedules WHERE due_at IS NOT NULL") or await count(database, "timers"):
            rounds += await schedules.step() == 0
            await timers.step()
        return rounds

    assert min(await asyncio.gather(replica(), replica())) > 0
    await eventually(lambda: len(requested.values) >= 2000 and len(facts.values) >= 2000, 30)
    assert sorted(jobs(requested)) == sorted(str(one) for one in kept)
    assert [fact["fact"] for fact in facts.values] == ["fired"] * 2000


async def test_a_death_between_produce_and_mark_repeats_the_same_job(
    runtime: Runtime[Settings], database: Database, reader_for: ReaderFor
) -> None:
    """The planner's ledger knows the id, so the repetition is dropped there."""
    requested = await reader_for("jobs.requested")
    kept = await keep(database, utc_now() - timedelta(seconds=1), 20)
    assert await FireSchedules(database, lambda: None).step() == 0
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE timers IN SHARE MODE")  # rows may be claimed, not deleted
        dying = asyncio.create_task(Fire(runtime).step())
        await eventually(lambda: len(requested.records) == 20, 30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    assert await Fire(runtime).step() == 0
    await eventually(lambda: len(requested.records) == 40, 30)
    ids = [dict(record.headers)["ce_id"].decode() for record in requested.records]
    assert sorted(set(ids)) == sorted(str(derived_id("job.requested", one)) for one in kept)
    assert await count(database, "timers") == 0


async def test_a_death_before_the_commit_leaves_everything_as_it_was(database: Database) -> None:
    """D22: the schedule, its firing and its message are one transaction; there is nothing to be left behind."""
    await keep(database, utc_now() - timedelta(seconds=1), 3)
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE timers IN SHARE MODE")
        dying = asyncio.create_task(FireSchedules(database, lambda: None).step())
        waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO timers%'"
        await eventually(lambda: count(database, waiting), 30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    assert (await count(database, "firings"), await count(database, "timers")) == (0, 0)
    assert await FireSchedules(database, lambda: None).step() == 0
    assert (await count(database, "firings"), await count(database, "timers")) == (3, 6)


async def test_a_job_that_is_never_heard_of_again_does_not_hold_its_schedule_for_good(
    database: Database, runtime: Runtime[Settings]
) -> None:
    await keep(database, utc_now() - timedelta(seconds=1), 2)
    await FireSchedules(database, lambda: None).step()
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE firings SET fired_at = now() - interval '8 days' WHERE id = (SELECT id FROM firings LIMIT 1)"
        )
    assert await FailAbandoned(database, lambda: None).step() > 0
    assert await count(database, "firings") == 1
    assert await count(database, "schedules WHERE state = 'failed'") == 1


async def test_a_document_that_cannot_be_read_any_more_holds_back_no_other(database: Database) -> None:
    [broken] = await keep(database, utc_now() - timedelta(seconds=2), 1)
    await keep(database, utc_now() - timedelta(seconds=1), 2)
    async with database.transaction() as tx:
        await tx.execute('UPDATE schedules SET document = document || \'{"zone": "Mars/X"}\' WHERE id = $1', broken)
    assert await FireSchedules(database, lambda: None).step() == 0
    assert await count(database, "firings") == 2
    assert await count(database, "schedules WHERE state = 'failed' AND due_at IS NULL") == 1
    assert await FireSchedules(database, lambda: None).step() > 0


async def test_a_document_that_cannot_be_read_any_more_can_be_deleted(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    facts = await reader_for("schedules.events")
    [broken] = await keep(database, utc_now() + timedelta(days=1), 1)
    async with database.transaction() as tx:
        await tx.execute('UPDATE schedules SET document = document || \'{"zone": "Mars/X"}\'')
    async with running("scheduler", Settings, build, topics, payloads):
        await ask(producer, broken, "delete")
        await eventually(lambda: told(facts, broken) == ["removed"], 30)
    assert await count(database, "schedules") == 0


async def test_a_round_reads_only_what_is_due_however_many_schedules_there_are(database: Database) -> None:
    """D23: three hundred rules were the most; here a round costs the same with any number."""
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO schedules SELECT gen_random_uuid(), '{}', 'active', now(), now() + interval '1 day', "
            "now() + interval '1 day' FROM generate_series(1, 20000)"
        )
        for name, arguments in (("claim_due", (1000, 2**20)), ("find_pause", ())):
            [[plan]] = await tx.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {store.SQL[name]}", *arguments)
            assert b'"Shared Hit Blocks"' in plan and b"Seq Scan" not in plan, plan
