"""A page that nobody can read becomes a dead letter; a person looks, mends, and sends it again, or puts it away."""

from pathlib import Path
from typing import Any

from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.stack import Place

RETRY = {"attempts": 1, "backoff": {"base": "10ms"}}
PAGES = {"style": "offset", "size": 50, "total": "body.meta.total"}
JOB = {"vendor": "acme", "poll": {"request": {"path": "/items"}, "pages": PAGES, "records": {"key": "id"}}}
RECORDS = 400
REDRIVES = 3


def bad(offset: int) -> dict[str, Any]:
    """A page that is no JSON, until the simulator is configured again."""
    return {"match": rf"offset={offset}\b", "fault": "malformed"}


async def letters(running: Cluster, **query: str) -> list[dict[str, Any]]:
    answer = await running.http.get(f"{running.gateway}/dead-letters", params=query)
    found: list[dict[str, Any]] = answer.json()["dead_letters"]
    return found


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
    found = await letters(running, job_id=job_id, state="open")
    return [one for one in found if one["redrives"] == redrives]


async def test_dead_letters_are_redriven_guarded_and_discarded(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=RECORDS, fail_paths=[bad(100), bad(300)])
        await running.apply_vendor("acme", retry=RETRY)
        await _is_mended_and_redriven(running)
        await _is_never_mended(running)


async def _is_mended_and_redriven(running: Cluster) -> None:
    job_id = await running.submit(JOB)
    job = await running.ended(job_id)
    assert (job["status"], job["counts"]) == ("failed", {"completed": 6, "failed": 2})
    found = await eventually(lambda: open_letters(running, job_id, 0), 20)
    wanted = {"job_id": job_id, "reason": found[0]["reason"]}
    dry = await order(running, "redrive", filter=wanted, dry_run=True)
    assert (dry["count"], set(dry["ids"])) == (2, {one["id"] for one in found})
    assert (await running.job(job_id))["status"] == "failed"
    await running.configure_simulator("acme", records=RECORDS)
    assert (await order(running, "redrive", filter=wanted))["count"] == 2
    assert await watched_to_its_end(running, job_id) in {"job.completed", "job.failed"}
    await running.reaches(job_id, "completed", 30)
    job = await running.job(job_id)
    assert (job["distinct"], job["counts"]) == (RECORDS, {"completed": 8})
    assert {one["state"] for one in await letters(running, job_id=job_id)} == {"redriven"}


async def _is_never_mended(running: Cluster) -> None:
    await running.configure_simulator("acme", records=RECORDS, fail_paths=[bad(100)])
    job_id = await running.submit(JOB)
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
    assert await letters(running, job_id=job_id, state="open") == []
    job = await running.job(job_id)
    assert (job["status"], job["counts"]) == ("failed", {"completed": 7, "failed": 1})
