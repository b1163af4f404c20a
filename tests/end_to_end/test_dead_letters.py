"""A page that cannot be read becomes a dead letter; a person looks at it, and redrives or discards it."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = {"attempts": 1, "backoff": {"base": "10ms"}}
PAGES = {"style": "offset", "size": 50, "total": "body.meta.total"}
POLL = {"request": {"path": "/items"}, "pages": PAGES, "records": {"key": "id"}}
RECORDS = 400
REDRIVES = 3


def bad(offset: int) -> dict[str, Any]:
    """A page that is no JSON, until the simulator is configured again."""
    return {"match": rf"offset={offset}\b", "fault": "malformed"}


async def order(running: Cluster, path: str, **body: Any) -> dict[str, Any]:
    answer = await running.http.post(f"{running.gateway}/dead-letters/{path}", json=body)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def watched_to_its_end(running: Cluster, job_id: str) -> str:
    """The last event that a follower sees."""
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/events", timeout=90)
    return answer.text.rsplit("event: ", 1)[1].partition("\n")[0]


async def open_letters(running: Cluster, job_id: str, redrives: int) -> list[dict[str, Any]]:
    """Those of a job that came back so often."""
    found = await running.dead_letters(job_id=job_id, state="open")
    return [one for one in found if one["redrives"] == redrives]


async def counts_are(running: Cluster, job_id: str, counts: dict[str, int]) -> bool:
    """Whether so many tasks of the job are in these states."""
    return bool((await running.job(job_id))["counts"] == counts)


async def test_dead_letters_that_are_redriven_complete_their_job(running: Cluster) -> None:
    await running.configure_simulator("mended", records=RECORDS, fail_paths=[bad(100), bad(300)])
    await running.apply_vendor("mended", retry=RETRY)
    job_id = await running.submit({"vendor": "mended", "poll": POLL})
    assert (await running.ended(job_id))["status"] == "failed"
    await eventually(lambda: counts_are(running, job_id, {"completed": 6, "dead": 2}))
    found = await eventually(lambda: open_letters(running, job_id, 0), 20)
    wanted = {"job_id": job_id, "reason": found[0]["reason"]}
    dry = await order(running, "redrive", filter=wanted, dry_run=True)
    assert (dry["count"], set(dry["ids"])) == (2, {one["id"] for one in found})
    assert (await running.job(job_id))["status"] == "failed"
    await running.configure_simulator("mended", records=RECORDS)
    assert (await order(running, "redrive", filter=wanted))["count"] == 2
    assert await watched_to_its_end(running, job_id) in {"job.completed", "job.failed"}
    await running.reaches(job_id, "completed", 30)
    job = await running.job(job_id)
    assert (job["distinct"], job["counts"]) == (RECORDS, {"completed": 8})
    assert {one["state"] for one in await running.dead_letters(job_id=job_id)} == {"redriven"}


async def test_a_dead_letter_that_comes_back_is_held_after_three_redrives_and_can_be_discarded(
    running: Cluster,
) -> None:
    await running.configure_simulator("lost", records=RECORDS, fail_paths=[bad(100)])
    await running.apply_vendor("lost", retry=RETRY)
    job_id = await running.submit({"vendor": "lost", "poll": POLL})
    assert (await running.ended(job_id))["status"] == "failed"
    for redrives in range(REDRIVES):
        [letter] = await eventually(lambda: open_letters(running, job_id, redrives), 30)  # noqa: B023 - awaited here
        await order(running, f"{letter['id']}/redrive")
        assert await watched_to_its_end(running, job_id) == "job.failed"
    [letter] = await eventually(lambda: open_letters(running, job_id, REDRIVES), 30)
    refused = await running.http.post(f"{running.gateway}/dead-letters/{letter['id']}/redrive")
    assert (refused.status_code, "came back 3 times" in refused.json()["detail"]) == (409, True)
    held = await order(running, "redrive", filter={"job_id": job_id})
    assert (held["count"], held["held"]) == (0, 1)
    await order(running, f"{letter['id']}/discard", reason="the vendor lost this page")
    assert await running.dead_letters(job_id=job_id, state="open") == []
    assert (await running.job(job_id))["status"] == "failed"
    await eventually(lambda: counts_are(running, job_id, {"completed": 7, "dead": 1}))
