"""What ended long ago is forgotten by each service; what is open never is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from services.callback_gateway.expire.loop import Expire as ForgetViews
from services.callback_gateway.settings import Settings as GatewaySettings
from services.fetcher.expire.loop import Expire as ForgetAttempts
from services.fetcher.settings import Settings as FetcherSettings
from services.planner.configure.handler import vendors
from services.planner.expire.loop import Expire as ForgetJobs
from services.planner.settings import Settings as PlannerSettings
from shared.events import catalogue
from shared.events.catalogue import DEAD, SERVICES, VENDORS
from shared.events.topic import WEEK
from shared.ids import new_id
from shared.messaging import ledger
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.service import Process, open_runtime
from tests.support.eventually import eventually
from tests.support.stack import Place

JOBS = {"open": None, "young": "1 day", "old": "40 days", "older": "50 days"}
TASKS = 700


@asynccontextmanager
async def opened(name: str, kind: Any, place: Place, payloads: Path) -> AsyncIterator[Runtime[Any]]:
    """A service's runtime with its database alone."""
    runtime: Runtime[Any] = open_runtime(name, place.settings(kind, payloads))
    await runtime.database.open()
    yield runtime
    await runtime.database.close()


async def execute(runtime: Runtime[Any], *queries: str) -> None:
    async with runtime.database.transaction() as tx:
        for query in queries:
            await tx.execute(query)


async def values(runtime: Runtime[Any], query: str) -> list[Any]:
    async with runtime.database.transaction() as tx:
        return [row[0] for row in await tx.fetch(query)]


async def until_idle(step: Any) -> int:
    """Rounds until there is nothing to do."""
    rounds = 1
    while await step() < 1:
        rounds += 1
    return rounds


async def test_the_planner_forgets_jobs_with_their_tasks(place: Place, payloads: Path) -> None:
    async with opened("planner", PlannerSettings, place, payloads) as runtime:
        for name, age in JOBS.items():
            ended = f"now() - interval '{age}'" if age else "NULL"
            await execute(
                runtime,
                f"""INSERT INTO jobs (id, state, vendor, priority, specification, planned, open, created_at, ended_at)
                VALUES (md5('{name}')::uuid, '{"completed" if age else "running"}', '{name}', 1, '{{}}', 1, 0,
                    now() - interval '60 days', {ended})""",
                f"""INSERT INTO tasks (id, job_id, number, vendor, purpose, call, position)
                SELECT gen_random_uuid(), md5('{name}')::uuid, number, 'v', 'page', '{{}}', 0
                FROM generate_series(1, {TASKS}) AS number""",
            )
        assert await until_idle(ForgetJobs(runtime).step) == 3
        assert await values(runtime, "SELECT vendor FROM jobs ORDER BY vendor") == ["open", "young"]
        assert await values(runtime, "SELECT count(*) FROM tasks") == [2 * TASKS]


async def test_the_gateway_forgets_what_it_shows(place: Place, payloads: Path) -> None:
    async with opened("callback-gateway", GatewaySettings, place, payloads) as runtime:
        for name, age in JOBS.items():
            ended = f"now() - interval '{age}'" if age else "NULL"
            await execute(
                runtime,
                f"""INSERT INTO jobs (id, state, vendor, ended_at)
                VALUES (md5('{name}')::uuid, '{"completed" if age else "running"}', '{name}', {ended})""",
                f"""INSERT INTO tasks (id, job_id, number, round, state, rank, reason, attempts, times)
                SELECT gen_random_uuid(), md5('{name}')::uuid, number, 0, 'completed', 9, '', '[]', '{{}}'
                FROM generate_series(1, {TASKS}) AS number""",
                f"INSERT INTO job_events (job_id, type, data) VALUES (md5('{name}')::uuid, 'job.accepted', '{{}}')",
                f"""INSERT INTO dead_letters (id, service, topic, reason, job_id, at, document, changed_at)
                VALUES (gen_random_uuid(), 'planner', 't', '{name}', md5('{name}')::uuid, now(), '{{}}',
                    now() - interval '40 days')""",
                f"""INSERT INTO callbacks (id, vendor, job_id, round, verdict, received_at)
                VALUES (gen_random_uuid(), '{name}', md5('{name}')::uuid, 0, 'accepted', now() - interval '60 days')""",
                f"""INSERT INTO expectations (task_id, job_id, number, round, vendor, rules, deadline_at)
                VALUES (gen_random_uuid(), md5('{name}')::uuid, 0, 0, '{name}', '{{}}', now() - interval '55 days')""",
            )
        await execute(
            runtime,
            """INSERT INTO callbacks (id, vendor, round, verdict, received_at) VALUES
            (gen_random_uuid(), 'nobody', 0, 'unknown', now() - interval '40 days'),
            (gen_random_uuid(), 'parked', 0, 'parked', now() - interval '40 days')""",
            """INSERT INTO dead_letters (id, service, topic, reason, at, document, changed_at, state) VALUES
            (gen_random_uuid(), 'planner', 't', 'due', now(), '{}', now() - interval '40 days', 'redriving'),
            (gen_random_uuid(), 'planner', 't', 'new', now(), '{}', now() - interval '1 day', 'discarded')""",
        )
        await until_idle(ForgetViews(runtime).step)
        assert await values(runtime, "SELECT vendor FROM jobs ORDER BY vendor") == ["open", "young"]
        assert await values(runtime, "SELECT count(*) FROM tasks") == [2 * TASKS]
        assert await values(runtime, "SELECT count(*) FROM job_events") == [2]
        letters = await values(runtime, "SELECT reason FROM dead_letters ORDER BY reason")
        assert letters == ["due", "new", "open", "young"]
        assert await values(runtime, "SELECT vendor FROM callbacks ORDER BY vendor") == ["open", "parked", "young"]
        assert await values(runtime, "SELECT vendor FROM expectations ORDER BY vendor") == ["open", "young"]


async def test_jobs_whose_answers_cannot_be_deleted_hold_back_no_others(place: Place, payloads: Path) -> None:
    """A payload store that is away keeps the oldest jobs, however many they are."""
    async with opened("callback-gateway", GatewaySettings, place, payloads) as runtime:
        await execute(
            runtime,
            """INSERT INTO jobs (id, state, kind, vendor, ended_at, answer)
            SELECT gen_random_uuid(), 'completed', 'request', 'kept', now() - interval '50 days',
                '{"body": {"uri": "a"}}'
            FROM generate_series(1, 150)""",
            """INSERT INTO jobs (id, state, vendor, ended_at)
            VALUES (md5('old')::uuid, 'completed', 'old', now() - interval '40 days')""",
            """INSERT INTO tasks (id, job_id, number, round, state, rank, reason, attempts, times)
            VALUES (gen_random_uuid(), md5('old')::uuid, 0, 0, 'completed', 9, '', '[]', '{}')""",
            "INSERT INTO job_events (job_id, type, data) VALUES (md5('old')::uuid, 'job.accepted', '{}')",
        )
        await until_idle(ForgetViews(runtime).step)
        assert await values(runtime, "SELECT DISTINCT vendor FROM jobs") == ["kept"]
        assert await values(runtime, "SELECT count(*) FROM tasks") == [0]
        assert await values(runtime, "SELECT count(*) FROM job_events") == [0]


async def test_an_answer_that_was_never_handed_out_is_deleted_with_its_job(place: Place, payloads: Path) -> None:
    """The job was cancelled, say, while its call was open."""
    async with opened("callback-gateway", GatewaySettings, place, payloads) as runtime:
        pointers = {
            age: await runtime.payloads.put(new_id(), "0-0-0-1", b"too late", media_type="text/plain")
            for age in ("1 day", "40 days", "50 days")
        }
        for age, pointer in pointers.items():
            job_id = pointer.uri.split("/")[0]
            await execute(
                runtime,
                f"""INSERT INTO jobs (id, state, kind, ended_at)
                VALUES ('{job_id}', 'failed', 'request', now() - interval '{age}'),
                    (gen_random_uuid(), 'failed', 'request', now() - interval '{age}')""",
            )
        await until_idle(ForgetViews(runtime).step)
        assert [age for age, pointer in pointers.items() if (payloads / pointer.uri).exists()] == ["1 day"]


async def test_the_fetcher_forgets_attempts(place: Place, payloads: Path) -> None:
    async with opened("fetcher", FetcherSettings, place, payloads) as runtime:
        await execute(
            runtime,
            """INSERT INTO attempts (call_id, task_id, vendor, attempt, started_at, seconds, egress, verdict, reason)
            SELECT gen_random_uuid(), gen_random_uuid(), 'v', 1, now() - number * interval '1 minute', 0, '', 'ok', ''
            FROM generate_series(1, 50000) AS number""",
        )
        assert await until_idle(ForgetAttempts(runtime).step) == 4
        assert await values(runtime, "SELECT count(*) FROM attempts") == [30 * 24 * 60 - 1]


async def test_the_fetcher_forgets_fetchers_that_are_gone(place: Place, payloads: Path) -> None:
    """Each start of a process is another one."""
    async with opened("fetcher", FetcherSettings, place, payloads) as runtime:
        await execute(
            runtime,
            """INSERT INTO fetchers (id, seen_at)
            SELECT gen_random_uuid(), now() - number * interval '1 hour' FROM generate_series(0, 99) AS number""",
        )
        await until_idle(ForgetAttempts(runtime).step)
        assert await values(runtime, "SELECT count(*) FROM fetchers") == [24]


async def test_the_fetcher_forgets_hosts_that_nobody_calls_any_more(place: Place, payloads: Path) -> None:
    """Jobs may name any number of them. What is configured keeps its budget, and so does what rests."""
    async with opened("fetcher", FetcherSettings, place, payloads) as runtime:
        for vendor, called, rests in (("acme", 48, 48), ("url:a", 48, 48), ("url:b", 1, 48), ("url:c", 48, 1)):
            await execute(
                runtime,
                f"""INSERT INTO budgets (vendor, permits, paused_until)
                SELECT '{vendor}', jsonb_build_object('windows', jsonb_build_object('5/1000000/1', to_jsonb(last))),
                    now() - interval '{rests} hours'
                FROM (
                    SELECT extract(epoch FROM now() - interval '{called} hours') * 1000000 AS arrival
                ) AS last""",
            )
        await until_idle(ForgetAttempts(runtime).step)
        assert await values(runtime, "SELECT vendor FROM budgets ORDER BY vendor") == ["acme", "url:b", "url:c"]


async def test_a_service_forgets_an_event_once_no_topic_can_bring_it_again(topics: Place, payloads: Path) -> None:
    """Twice as long as topics keep it: brokers delete late. A compacted topic keeps it for ever."""
    assert {topic.retention for topic in catalogue.topics() if topic not in DEAD.values()} == {WEEK}
    async with opened("planner", PlannerSettings, topics, payloads) as runtime:
        for name, days in (("young", 13), ("old", 15), ("configure-vendors", 15)):
            await execute(
                runtime,
                f"""INSERT INTO ledger (consumer_group, event_id, delivery, recorded_at)
                VALUES ('{name}', gen_random_uuid(), 0, now() - interval '{days} days')""",
            )
        stopping = asyncio.Event()
        configure = Consumer("configure-vendors", VENDORS, vendors.handle)
        process = asyncio.create_task(Process("planner", runtime, App(consumers=(configure,))).run(stopping))

        async def forgotten() -> bool:
            return "old" not in await values(runtime, "SELECT consumer_group FROM ledger")

        await eventually(forgotten)
        stopping.set()
        await process
        assert await values(runtime, "SELECT consumer_group FROM ledger ORDER BY 1") == ["configure-vendors", "young"]


@pytest.mark.parametrize("service", SERVICES)
async def test_where_events_were_forgotten_and_others_written_none_is_read_to_forget_more(
    place: Place, service: str
) -> None:
    """Whatever Postgres knows of the age asked for: a statement that was often used is planned without it. Nor are
    the rows of configuration read, which are kept for ever."""
    written = """INSERT INTO ledger (consumer_group, event_id, delivery, recorded_at)
    SELECT $2, gen_random_uuid(), 0, now() - $1::interval FROM generate_series(1, 40000)"""
    owner = await asyncpg.connect(place.owner_url())
    try:
        await owner.execute(
            f"SET search_path TO {service.replace('-', '_')}; SET plan_cache_mode TO force_generic_plan"
        )
        await owner.execute(written, timedelta(days=40), "track")
        await owner.execute(written, timedelta(days=50), "configure")
        await owner.execute("VACUUM ANALYZE ledger")
        pages = await owner.fetchval("SELECT pg_relation_size('ledger') / 8192")
        assert (
            await owner.execute(ledger.SQL["forget_events"], timedelta(days=28), 40000, ["configure"]) == "DELETE 40000"
        )
        await owner.execute("VACUUM ledger")
        await owner.execute(written, timedelta(hours=1), "track")
        await owner.execute("VACUUM ANALYZE ledger")
        await owner.execute(f"PREPARE forget (interval, bigint, text[]) AS {ledger.SQL['forget_events']}")
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE forget ('28 days', 5000, '{configure}')"
        plan = orjson.loads(await owner.fetchval(explain))[0]["Plan"]
    finally:
        await owner.close()
    assert pages > 200
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20
