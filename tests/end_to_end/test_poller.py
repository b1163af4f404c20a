"""A poll from its request to its rows, as whoever keeps a copy of a partner's data sees it: what is told of each task
on its way, what the partner saw of it, and what becomes of the copy when the partner's data change."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from shared.client.replay import Wanted, replay
from shared.events.envelope import CE_ID, CE_TYPE, TRACEPARENT
from tests.cluster import Cluster, cluster
from tests.conftest import ReaderFor
from tests.eventually import eventually
from tests.stack import Place
from tests.topic_reader import TopicReader

ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}
WAY = ["planned", "released", "started", "stored", "enqueued", "completed"]
RECORDS, SIZE, REFUSED = 500, 50, 3
FAILING = {"match": rf"offset={REFUSED * SIZE}\b", "fault": "error", "status": 404}
LARGE = 20_000


def by_total(size: int = SIZE) -> dict[str, Any]:
    return {**ITEMS, "pages": {"style": "offset", "size": size, "total": "body.meta.total"}}


async def run(running: Cluster, poll: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await running.ended(await running.submit({"vendor": "acme", "poll": poll, **more}))


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


async def test_a_copy_is_made_task_by_task_and_kept_in_step(
    topics: Place, tmp_path: Path, reader_for: ReaderFor
) -> None:
    tasks, pointers = await reader_for("tasks.events"), await reader_for("payloads.stored")
    retries = await reader_for("processor.retry")
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=RECORDS, fail_paths=[FAILING])
        await running.apply_vendor("acme", budget={"in_flight": 5})
        job = await run(running, by_total(), payloads={"keep": "7d"})
        await _a_refused_page_leaves_and_the_others_go_on(running, job, tmp_path / "payloads")
        await _everything_of_a_job_is_one_trace(job, tasks, pointers)
        await _what_was_fetched_is_processed_again_without_the_vendor(running, topics)
        await _a_page_that_cannot_be_written_is_tried_again(running, topics, retries)
        await _pages_are_fetched_while_none_can_be_processed(running)
        await _the_plan_follows_the_largest_page(running)
        await _tasks_run_side_by_side_up_to_the_cap(running)
        await _pages_of_megabytes_travel_as_pointers(running, tasks, pointers)
        await _a_call_is_told_of_before_its_answer(running)
        await _the_copy_follows_the_partner(running)


async def _a_refused_page_leaves_and_the_others_go_on(running: Cluster, job: dict[str, Any], payloads: Path) -> None:
    assert (job["status"], job["reason"]) == ("failed", "1 of 10 tasks failed")
    assert (job["total"], job["percent"]) == ({"records": RECORDS, "tasks": 10}, 100.0)
    assert (job["counts"], job["distinct"]) == ({"completed": 9, "failed": 1}, RECORDS - SIZE)

    async def all_known() -> list[dict[str, Any]]:
        found = await tasks_of(running, job["id"])
        return found if len(found) == 10 and all(set(_way(task)) <= set(task["times"]) for task in found) else []

    shown = await eventually(all_known)
    for task in shown:
        assert list(task["times"]) == _way(task), task
        [attempt] = task["attempts"]
        assert at(task["times"]["released"]) <= at(task["times"]["started"]) <= at(attempt["started_at"]), task
        pages = list((payloads / job["id"]).glob(f"{task['number']}-{task['round']}-*"))
        if task["number"] == REFUSED:
            assert (task["state"], attempt["status"]) == ("dead", 404)
            assert task["reason"].startswith("refused_404: ")
            assert not pages
        else:
            assert (task["state"], task["records"], attempt["status"]) == ("completed", SIZE, 200)
            [page] = pages
            assert len(orjson.loads(page.read_bytes())["items"]) == SIZE
    assert (await running.job(job["id"]))["failures"] == [{"reason": "refused_404", "count": 1}]
    told = (await running.http.get(f"{running.gateway}/jobs/{job['id']}/events")).text
    (first, accepted), *_, (last, ended) = re.findall(r"^event: (.*)\ndata: (.*)$", told, re.MULTILINE)
    assert (first, last) == ("job.accepted", "job.failed")
    assert orjson.loads(accepted)["specification"]["poll"]["pages"]["size"] == SIZE
    assert (orjson.loads(ended)["reason"], orjson.loads(ended)["expected"]) == (job["reason"], RECORDS)


def _way(task: dict[str, Any]) -> list[str]:
    return [*WAY[:3], "dead"] if task["number"] == REFUSED else WAY


async def _everything_of_a_job_is_one_trace(job: dict[str, Any], tasks: TopicReader, pointers: TopicReader) -> None:
    """Whoever sees one message of it finds all others, and knows what it is without reading it."""
    await eventually(lambda: (len(tasks.records), len(pointers.records)) == (9 * len(WAY) + 4, 9))
    records = [*tasks.records, *pointers.records]
    headers = [dict(record.headers) for record in records]
    assert {one[TRACEPARENT].decode().split("-")[1] for one in headers} == {job["id"].replace("-", "")}
    assert len({one[CE_ID] for one in headers}) == len(headers)
    assert {record.key.decode() for record in tasks.records} == {job["id"]}
    told = {dict(record.headers)[CE_TYPE].decode() for record in tasks.records}
    assert told == {f"task.{state}" for state in (*WAY, "dead")}
    for record, value in zip(pointers.records, pointers.values, strict=True):
        assert dict(record.headers)[CE_TYPE] == b"payload.stored"
        assert (record.key.decode(), value["job_id"]) == (value["task_id"], job["id"])
        assert value["payload"]["uri"].startswith(f"{job['id']}/{value['number']}-0-")


async def _what_was_fetched_is_processed_again_without_the_vendor(running: Cluster, place: Place) -> None:
    """Rows that were lost come back from the kept payloads: the events are kept, and go once more."""
    requests = (await running.truth("acme"))["requests"]
    await execute(place, "DELETE FROM records.records")
    began, until = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(minutes=1)
    done = await replay(place.kafka, place.prefix, Wanted("payloads.stored", "payloads.stored", began, until))
    assert done.records == 9

    async def all_back() -> bool:
        return len(await running.records()) == RECORDS - SIZE

    await eventually(all_back)
    assert (await running.truth("acme"))["requests"] == requests
    assert len(await running.dead_letters()) == 1


async def _a_page_that_cannot_be_written_is_tried_again(running: Cluster, place: Place, retries: TopicReader) -> None:
    """Its neighbours in the batch are done meanwhile; nobody has to send it again when the table is mended."""
    await running.configure_simulator("acme", records=RECORDS)
    await execute(place, f"ALTER TABLE records.records ADD CONSTRAINT odd CHECK (key <> '{RECORDS}') NOT VALID")
    job_id = await running.submit({"vendor": "acme", "poll": by_total()})

    async def one_is_left() -> bool:
        return bool((await running.job(job_id))["counts"] == {"completed": 9, "enqueued": 1})

    await eventually(one_is_left)
    retry, *_ = await eventually(lambda: retries.values)
    told = "the table records refuses it: CheckViolationError (odd)"
    assert (retry["delivery"], retry["reason"], retry["error"]) == (1, "sink_refused", told)
    await execute(place, "ALTER TABLE records.records DROP CONSTRAINT odd")
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"]) == ("completed", RECORDS)
    assert len(await running.dead_letters()) == 1


async def _pages_are_fetched_while_none_can_be_processed(running: Cluster) -> None:
    await asyncio.to_thread(running.processes.stop, "processor")
    job_id = await running.submit({"vendor": "acme", "poll": by_total()})

    async def all_wait() -> bool:
        return bool((await running.job(job_id))["counts"] == {"enqueued": 10})

    await eventually(all_wait)
    job = await running.job(job_id)
    assert (job["total"], job["percent"], job["ended_at"]) == ({"records": RECORDS, "tasks": 10}, 0.0, None)
    running.start_service("processor")
    job = await running.ended(job_id)
    assert (job["status"], job["counts"]) == ("completed", {"completed": 10})


async def _the_plan_follows_the_largest_page(running: Cluster) -> None:
    """Total and page size are asked for first; whoever asks for more than the vendor gives gets that much."""
    await running.configure_simulator("acme", records=RECORDS, page_size_max=40)
    before = (await running.truth("acme"))["requests"]
    plan = {"path": "/items/metadata", "total": "body.total", "size": "body.size"}
    job = await run(running, {**ITEMS, "pages": {"style": "offset", "size": 100, "plan": plan}})
    assert (job["status"], job["distinct"]) == ("completed", RECORDS)
    assert job["total"]["tasks"] == 1 + -(-RECORDS // 40)
    assert (await running.truth("acme"))["requests"] - before == job["total"]["tasks"]


async def _tasks_run_side_by_side_up_to_the_cap(running: Cluster) -> None:
    """Two jobs and two fetchers: what is open at the vendor is counted over all of them."""
    running.start_service("fetcher", instance="fetcher-2")
    await running.wait_ready("fetcher-2")
    await running.http.post(f"{running.simulator}/_control/vendors/acme/reset")
    await running.configure_simulator("acme", records=RECORDS, delay_seconds=[0.2, 0.3])
    jobs = await asyncio.gather(*(run(running, by_total(20)) for _ in range(2)))
    assert {job["status"] for job in jobs} == {"completed"}
    assert (await running.truth("acme"))["highest_in_flight"] == 5


async def _pages_of_megabytes_travel_as_pointers(running: Cluster, tasks: TopicReader, pointers: TopicReader) -> None:
    await running.configure_simulator("acme", records=2 * LARGE, page_size_max=LARGE)
    job = await run(running, by_total(LARGE), sinks=[{"type": "postgres", "table": "large"}])
    assert (job["status"], job["distinct"], job["total"]["tasks"]) == ("completed", 2 * LARGE, 2)
    stored = [value["payload"] for value in pointers.values if value["job_id"] == job["id"]]
    assert len(stored) == 2
    assert min(pointer["size"] for pointer in stored) > 1024**2
    assert max(len(record.value) for record in (*tasks.records, *pointers.records)) < 4096


async def _a_call_is_told_of_before_its_answer(running: Cluster) -> None:
    await running.configure_simulator("acme", records=RECORDS, hang_share=1.0)
    job_id = await running.submit({"vendor": "acme", "poll": by_total()})

    async def started() -> bool:
        return bool((await running.job(job_id))["counts"] == {"started": 1})

    await eventually(started)
    [task] = await tasks_of(running, job_id)
    assert (list(task["times"]), task["attempts"]) == (WAY[:3], [])
    await running.control(job_id, "cancel")
    await running.reaches(job_id, "cancelled")


async def _the_copy_follows_the_partner(running: Cluster) -> None:
    """A schedule makes it whole again and again: what changed is changed, what is new comes, nothing is there twice."""
    sinks = [{"type": "postgres", "table": "copy"}]
    source = {"vendor": "acme", "poll": by_total(100), "sinks": sinks}
    await running.configure_simulator("acme", records=300, seed=1)
    assert (await running.http.put(f"{running.gateway}/sources/copy", json=source)).status_code == 201
    often = {"schedule": "often", "every": "1s", "start": {"source": "copy"}}
    assert (await running.http.post(f"{running.gateway}/schedules", json=often)).status_code == 202
    for seed, records in ((1, 300), (2, 320)):
        await running.configure_simulator("acme", records=records, seed=seed)
        theirs = (await running.http.get(f"{running.simulator}/acme/items", params={"limit": 100})).json()["items"]

        async def in_step(records: int = records, theirs: list[Any] = theirs) -> bool:
            rows = await running.records("copy")
            ours = {row["key"]: orjson.loads(row["record"]) for row in rows}
            return len(ours) == records and all(ours[str(item["id"])] == item for item in theirs)

        await eventually(in_step, 40)
    assert (await running.http.delete(f"{running.gateway}/schedules/often")).status_code == 202
