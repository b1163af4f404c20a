"""A poll from its request to its rows: what its tasks report, what the vendor sees of it, and what becomes of the copy
when the vendor's data change."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio

from shared.client.replay import Wanted, replay
from shared.events.envelope import CE_ID, CE_TYPE, TRACEPARENT
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}
WAY = ["planned", "released", "started", "stored", "enqueued", "completed"]
RECORDS, SIZE, REFUSED = 500, 50, 3
FAILING = {"match": rf"offset={REFUSED * SIZE}\b", "fault": "error", "status": 404}
LARGE, IN_FLIGHT = 20_000, 5


def by_total(size: int = SIZE) -> dict[str, Any]:
    return {**ITEMS, "pages": {"style": "offset", "size": size, "total": "body.meta.total"}}


async def play(running: Cluster, vendor: str, **config: Any) -> None:
    """Let the simulator play a vendor that nothing else of these tests uses."""
    await running.configure_simulator(vendor, **{"records": RECORDS, **config})
    await running.apply_vendor(vendor, budget={"in_flight": IN_FLIGHT})


async def run(running: Cluster, vendor: str, poll: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await running.ended(await running.submit({"vendor": vendor, "poll": poll, **more}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def tasks_of(running: Cluster, job_id: str) -> list[dict[str, Any]]:
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


async def execute(place: Place, statement: str) -> None:
    owner = await asyncpg.connect(place.owner_url())
    try:
        await owner.execute(statement)
    finally:
        await owner.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refused(running: Cluster) -> dict[str, Any]:
    """A job that is over: the vendor refused one of its ten pages."""
    await play(running, "refuses", fail_paths=[FAILING])
    return await run(running, "refuses", by_total(), payloads={"keep": "7d"})


async def test_a_page_that_is_refused_fails_alone_and_its_job_says_why(
    running: Cluster, refused: dict[str, Any]
) -> None:
    assert (refused["status"], refused["reason"]) == ("failed", "1 of 10 tasks failed")
    assert (refused["total"], refused["percent"]) == ({"records": RECORDS, "tasks": 10}, 100.0)
    assert refused["distinct"] == RECORDS - SIZE

    async def counted() -> bool:
        job = await running.job(refused["id"])
        apart = job["counts"] == {"completed": 9, "dead": 1}
        return apart and bool(job["failures"] == [{"reason": "refused_404", "count": 1}])

    await eventually(counted)
    [letter] = await eventually(lambda: running.dead_letters(job_id=refused["id"]))
    assert letter["reason"] == "refused_404"


async def test_each_task_shows_its_times_its_attempt_and_its_end(
    running: Cluster, refused: dict[str, Any], root: Path
) -> None:
    async def all_known() -> list[dict[str, Any]]:
        found = await tasks_of(running, refused["id"])
        return found if len(found) == 10 and all(set(_way(task)) <= set(task["times"]) for task in found) else []

    for task in await eventually(all_known):
        assert list(task["times"]) == _way(task), task
        [attempt] = task["attempts"]
        assert at(task["times"]["released"]) <= at(task["times"]["started"]) <= at(attempt["started_at"]), task
        pages = list((root / "payloads" / refused["id"]).glob(f"{task['number']}-{task['round']}-*"))
        if task["number"] == REFUSED:
            assert (task["state"], attempt["status"]) == ("dead", 404)
            assert task["reason"].startswith("refused_404: ")
            assert not pages
        else:
            assert (task["state"], task["records"], attempt["status"]) == ("completed", SIZE, 200)
            [page] = pages
            assert len(orjson.loads(page.read_bytes())["items"]) == SIZE


def _way(task: dict[str, Any]) -> list[str]:
    return [*WAY[:3], "dead"] if task["number"] == REFUSED else WAY


async def test_the_events_of_a_job_begin_with_its_specification_and_end_as_it_did(
    running: Cluster, refused: dict[str, Any]
) -> None:
    text = (await running.http.get(f"{running.gateway}/jobs/{refused['id']}/events")).text
    (first, accepted), *_, (last, ended) = re.findall(r"^event: (.*)\ndata: (.*)$", text, re.MULTILINE)
    assert (first, last) == ("job.accepted", "job.failed")
    assert orjson.loads(accepted)["specification"]["poll"]["pages"]["size"] == SIZE
    assert (orjson.loads(ended)["reason"], orjson.loads(ended)["expected"]) == (refused["reason"], RECORDS)


async def test_all_records_of_a_job_share_its_trace_and_have_their_type_in_their_headers(
    shared_topics: Place, refused: dict[str, Any]
) -> None:
    job_id = refused["id"]
    async with reading(shared_topics, "tasks.events") as tasks, reading(shared_topics, "payloads.stored") as pointers:

        def own() -> tuple[list[Any], list[Any]]:
            of_tasks = [record for record in tasks.records if record.key.decode() == job_id]
            found = zip(pointers.records, pointers.values, strict=True)
            return of_tasks, [(record, value) for record, value in found if value["job_id"] == job_id]

        await eventually(lambda: tuple(map(len, own())) == (9 * len(WAY) + 4, 9))
        of_tasks, of_payloads = own()
    headers = [dict(record.headers) for record in (*of_tasks, *(record for record, _ in of_payloads))]
    assert {one[TRACEPARENT].decode().split("-")[1] for one in headers} == {job_id.replace("-", "")}
    assert len({one[CE_ID] for one in headers}) == len(headers)
    types = {dict(record.headers)[CE_TYPE].decode() for record in of_tasks}
    assert types == {f"task.{state}" for state in (*WAY, "dead")}
    for record, value in of_payloads:
        assert dict(record.headers)[CE_TYPE] == b"payload.stored"
        assert record.key.decode() == value["task_id"]
        assert value["payload"]["uri"].startswith(f"{job_id}/{value['number']}-0-")


async def test_rows_that_were_lost_come_back_from_kept_payloads_without_a_call(
    running: Cluster, shared_topics: Place
) -> None:
    await play(running, "kept")
    began = datetime.now(UTC)
    job = await run(running, "kept", by_total(), payloads={"keep": "7d"}, sinks=[{"type": "postgres", "table": "kept"}])
    assert job["status"] == "completed", job
    requests = (await running.truth("kept"))["requests"]
    await execute(shared_topics, "DELETE FROM records.kept")
    wanted = Wanted("payloads.stored", "payloads.stored", began, datetime.now(UTC) + timedelta(minutes=1))
    assert (await replay(shared_topics.kafka, shared_topics.prefix, wanted)).records == 10

    async def all_back() -> bool:
        return len(await running.records("kept")) == RECORDS

    await eventually(all_back)
    assert (await running.truth("kept"))["requests"] == requests
    assert await running.dead_letters(job_id=job["id"]) == []


async def test_a_page_that_its_table_refuses_is_tried_again_and_its_neighbours_complete(
    running: Cluster, shared_topics: Place
) -> None:
    """No person has to send it again when the table is mended."""
    await play(running, "odd")
    job = {"vendor": "odd", "poll": by_total(), "sinks": [{"type": "postgres", "table": "odd"}]}
    assert (await running.ended(await running.submit(job)))["status"] == "completed"
    await execute(shared_topics, f"ALTER TABLE records.odd ADD CONSTRAINT odd CHECK (key <> '{RECORDS}') NOT VALID")
    job_id = await running.submit(job)

    async def one_is_left() -> bool:
        return bool((await running.job(job_id))["counts"] == {"completed": 9, "enqueued": 1})

    await eventually(one_is_left)
    error = "the table odd refuses it: CheckViolationError (odd)"
    async with reading(shared_topics, "processor.retry") as retries:
        retry, *_ = await eventually(lambda: [value for value in retries.values if value["error"] == error])
    assert (retry["delivery"], retry["reason"]) == (1, "sink_refused")
    await execute(shared_topics, "ALTER TABLE records.odd DROP CONSTRAINT odd")
    done = await running.ended(job_id)
    assert (done["status"], done["distinct"]) == ("completed", RECORDS)
    assert await running.dead_letters(job_id=job_id) == []


async def test_pages_are_fetched_while_no_processor_runs_and_wait_for_one(running: Cluster) -> None:
    await play(running, "waits")
    await asyncio.to_thread(running.processes.stop, "processor")
    try:
        job_id = await running.submit({"vendor": "waits", "poll": by_total()})

        async def all_wait() -> bool:
            return bool((await running.job(job_id))["counts"] == {"enqueued": 10})

        await eventually(all_wait)
        job = await running.job(job_id)
        assert (job["total"], job["percent"], job["ended_at"]) == ({"records": RECORDS, "tasks": 10}, 0.0, None)
    finally:
        running.start_service("processor")
    job = await running.ended(job_id)
    assert (job["status"], job["counts"]) == ("completed", {"completed": 10})


async def test_a_plan_asks_for_total_and_page_size_first_and_follows_the_largest_page(running: Cluster) -> None:
    """A source that asks for more than the vendor gives gets pages as large as the vendor's largest."""
    await play(running, "planned", page_size_max=40)
    plan = {"path": "/items/metadata", "total": "body.total", "size": "body.size"}
    job = await run(running, "planned", {**ITEMS, "pages": {"style": "offset", "size": 100, "plan": plan}})
    assert (job["status"], job["distinct"]) == ("completed", RECORDS)
    assert job["total"]["tasks"] == 1 + -(-RECORDS // 40)
    assert (await running.truth("planned"))["requests"] == job["total"]["tasks"]


async def test_two_jobs_on_two_fetchers_stay_within_the_cap_of_their_vendor(running: Cluster) -> None:
    running.start_service("fetcher", instance="fetcher-2")
    await running.wait_ready("fetcher-2")
    await play(running, "capped", delay_seconds=[0.2, 0.3])
    jobs = await asyncio.gather(*(run(running, "capped", by_total(20)) for _ in range(2)))
    assert {job["status"] for job in jobs} == {"completed"}
    assert (await running.truth("capped"))["highest_in_flight"] == IN_FLIGHT


async def test_pages_of_megabytes_travel_as_pointers(running: Cluster, shared_topics: Place) -> None:
    await play(running, "large", records=2 * LARGE, page_size_max=LARGE)
    async with reading(shared_topics, "tasks.events") as tasks, reading(shared_topics, "payloads.stored") as pointers:
        job = await run(running, "large", by_total(LARGE), sinks=[{"type": "postgres", "table": "large"}])
        assert (job["status"], job["distinct"], job["total"]["tasks"]) == ("completed", 2 * LARGE, 2)

        def stored() -> list[Any]:
            return [value["payload"] for value in pointers.values if value["job_id"] == job["id"]]

        await eventually(lambda: len(stored()) == 2)
        assert min(pointer["size"] for pointer in stored()) > 1024**2
        assert max(len(record.value) for record in (*tasks.records, *pointers.records)) < 4096


async def test_a_call_is_reported_before_its_answer(running: Cluster) -> None:
    await play(running, "hangs", hang_share=1.0)
    job_id = await running.submit({"vendor": "hangs", "poll": by_total()})

    async def started() -> bool:
        return bool((await running.job(job_id))["counts"] == {"started": 1})

    await eventually(started)
    [task] = await tasks_of(running, job_id)
    assert (list(task["times"]), task["attempts"]) == (WAY[:3], [])
    await running.control(job_id, "cancel")
    await running.reaches(job_id, "cancelled")


async def test_a_scheduled_copy_gets_what_changed_and_what_is_new_once(running: Cluster) -> None:
    sinks = [{"type": "postgres", "table": "copy"}]
    await play(running, "followed", records=300, seed=1)
    source = {"vendor": "followed", "poll": by_total(100), "sinks": sinks}
    assert (await running.http.put(f"{running.gateway}/sources/copy", json=source)).status_code == 201
    often = {"schedule": "often", "every": "1s", "start": {"source": "copy"}}
    assert (await running.http.post(f"{running.gateway}/schedules", json=often)).status_code == 202
    for seed, records in ((1, 300), (2, 320)):
        await running.configure_simulator("followed", records=records, seed=seed)
        theirs = (await running.http.get(f"{running.simulator}/followed/items", params={"limit": 100})).json()["items"]

        async def in_step(records: int = records, theirs: list[Any] = theirs) -> bool:
            rows = await running.records("copy")
            ours = {row["key"]: orjson.loads(row["record"]) for row in rows}
            return len(ours) == records and all(ours[str(item["id"])] == item for item in theirs)

        await eventually(in_step, 40)
    assert (await running.http.delete(f"{running.gateway}/schedules/often")).status_code == 202
