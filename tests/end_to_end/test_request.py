"""Design 2: one call, robustly made; whoever waits gets the vendor's own answer, also when every attempt failed."""

from pathlib import Path
from typing import Any

import httpx

from infra.local.ports import free_port
from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.stack import Place

FAST = {"attempts": 3, "backoff": {"base": "20ms", "cap": "50ms"}}


async def ask(running: Cluster, vendor: str, wait: int | None = 20, **more: Any) -> httpx.Response:
    document = {"vendor": vendor, "request": {"path": "/items", "query": {"limit": 2}}, **more}
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}

    async def post() -> httpx.Response:
        answer = await running.http.post(f"{running.gateway}/jobs", json=document, headers=headers, timeout=60)
        assert "no vendor" not in answer.text
        return answer

    return await eventually(post, 20)


async def test_the_vendors_own_answer_comes_back(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("good", records=10, contract={"requests": 100, "per_seconds": 1})
        await running.configure_simulator("bad", records=10, error_share=1.0)
        for name in ("good", "bad"):
            await running.apply_vendor(name, retry=FAST)

        answer = await ask(running, "good", answer={"headers": ["Content-Type", "X-Nothing"]})
        assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=20")
        assert len(answer.json()["items"]) == 2
        job = await running.job(answer.headers["sluice-job"])
        assert (job["kind"], job["status"], job["answer"]["status"]) == ("request", "completed", 200)
        again = await running.http.get(f"{running.gateway}/jobs/{job['id']}/answer")
        assert again.content == answer.content

        missing = await ask(running, "good", request={"path": "/nowhere"})
        assert missing.status_code == 404
        job = await running.job(missing.headers["sluice-job"])
        assert (job["status"], job["answer"]["reason"][:11]) == ("failed", "refused_404")

        failed = await ask(running, "bad")
        assert failed.status_code >= 500
        await eventually(lambda: _has_attempts(running, failed.headers["sluice-job"], [1, 2, 3]))
        assert (await running.job(failed.headers["sluice-job"]))["status"] == "failed"
        assert await running.dead_letters() == []

        poll = {"vendor": "bad", "poll": {"request": {"path": "/items"}}}
        job = (await running.http.post(f"{running.gateway}/jobs", json=poll, headers={"Prefer": "wait=20"})).json()
        assert (job["status"], job["counts"]) == ("failed", {"failed": 1})


async def _has_attempts(running: Cluster, job_id: str, wanted: list[int]) -> bool:
    tasks = (await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")).json()["tasks"]
    return [attempt["attempt"] for attempt in tasks[0]["attempts"]] == wanted


async def test_who_cannot_wait_so_long_finds_the_answer_later(topics: Place, tmp_path: Path) -> None:
    """D15 and D16: the wait ends, the request goes on, and a failure is no success."""
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("slow", records=10, delay_seconds=[2.0, 2.0])
        await running.apply_vendor("slow", retry=FAST)
        accepted = await ask(running, "slow", wait=1)
        assert (accepted.status_code, accepted.json()["kind"]) == (202, "request")
        place = f"{running.gateway}{accepted.headers['location']}"
        early = await running.http.get(f"{place}/answer")
        assert early.status_code == 409
        job = await running.ended(accepted.json()["id"])
        assert job["status"] == "completed"
        assert (await running.http.get(f"{place}/answer")).status_code == 200


async def test_nothing_answered_is_told_as_such(topics: Place, tmp_path: Path) -> None:
    """D17: no crash when there is no response."""
    async with cluster(topics, tmp_path) as running:
        await running.apply_vendor("gone", retry=FAST, base_url=f"http://127.0.0.1:{free_port()}")
        answer = await ask(running, "gone")
        assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
        assert "attempts_exhausted" in answer.json()["detail"]
        [letter] = await eventually(running.dead_letters, 20)
        assert letter["reason"] == "attempts_exhausted"


async def test_a_limited_egress_rests_and_the_next_attempt_leaves_by_another(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        contract = {"requests": 1, "per_seconds": 3600, "scope": "address"}
        await running.configure_simulator("limited", records=10, contract=contract)
        proxies = []
        for number, name in enumerate(("north", "south"), 2):
            made = await running.http.put(
                f"{running.simulator}/_control/proxies/{name}", json={"address": f"127.0.0.{number}"}
            )
            proxies.append(made.json()["url"])
        await running.apply_vendor("limited", egress=["direct", *proxies], retry=FAST)
        for _ in range(3):
            answer = await ask(running, "limited")
            assert answer.status_code == 200, answer.text
        truth = await running.truth("limited")
        assert {address: count > 0 for address, count in truth["by_address"].items()} == {
            "127.0.0.1": True,
            "127.0.0.2": True,
            "127.0.0.3": True,
        }
        assert truth["by_status"]["200"] == 3
