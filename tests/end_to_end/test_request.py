"""Design 2: one call, robustly made; whoever waits gets the vendor's own answer, also when every attempt failed."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from infra.local.ports import free_port
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.loopback import more_addresses
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

        failed = await ask(running, "bad", answer={"headers": ["Content-Type"]})
        attempts = await eventually(lambda: _attempts(running, failed.headers["sluice-job"], 3))
        assert [one["attempt"] for one in attempts] == [1, 2, 3]
        assert [one["verdict"] for one in attempts] == ["retry", "retry", "give_up"]
        assert {one["egress"] for one in attempts} == {"direct"}
        assert failed.status_code == attempts[-1]["status"] == failed.json()["error"]["status"] >= 500
        job = await running.job(failed.headers["sluice-job"])
        assert (job["status"], job["answer"]["status"]) == ("failed", failed.status_code)
        assert (await running.truth("bad"))["requests"] == 3
        assert await running.dead_letters() == []

        quote = {"method": "POST", "path": "/quote", "json": {"sku": 7}}
        await running.configure_simulator("twice", fail_paths=[{"match": "/quote", "status": 503, "times": 2}])
        await running.apply_vendor("twice", retry=FAST)
        await running.apply_vendor("receive", retry=FAST)
        await running.http.put(f"{running.simulator}/_control/receivers/told", json={})
        notify = [{"webhook": f"{running.simulator}/receive/told", "vendor": "receive", "on": ["completed", "failed"]}]
        third = await ask(running, "twice", request=quote, notify=notify)
        assert (third.status_code, third.json()["echo"]) == (200, {"sku": 7})
        attempts = await eventually(lambda: _attempts(running, third.headers["sluice-job"], 3))
        assert [one["status"] for one in attempts] == [503, 503, 200]
        assert await eventually(lambda: _told(running)) == ("job.completed", third.headers["sluice-job"])

        poll = {"vendor": "bad", "poll": {"request": {"path": "/items"}}}
        job = (await running.http.post(f"{running.gateway}/jobs", json=poll, headers={"Prefer": "wait=20"})).json()
        assert (job["status"], job["counts"]) == ("failed", {"failed": 1})


async def _told(running: Cluster) -> tuple[str, str]:
    [webhook] = (await running.http.get(f"{running.simulator}/_truth/receive/told")).json()["log"]
    return webhook["body"]["type"], webhook["body"]["data"]["job_id"]


async def _attempts(running: Cluster, job_id: str, count: int) -> list[dict[str, Any]]:
    [task] = (await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")).json()["tasks"]
    found: list[dict[str, Any]] = task["attempts"]
    assert len(found) == count, found
    return found


async def test_a_request_may_come_by_schedule_or_topic_and_a_process_that_dies_costs_no_answer(
    topics: Place, tmp_path: Path, producer: Producer
) -> None:
    """Whoever asked gets the answer, or is told that nobody knows; a call that must not be repeated is made once."""
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("slow", records=10, delay_seconds=[4.0, 4.0])
        await running.configure_simulator("good", records=10)
        await running.apply_vendor("slow", retry=FAST)
        await running.apply_vendor("good", retry=FAST)
        request = {"vendor": "good", "request": {"path": "/items", "query": {"limit": 3}}}

        schedule = {"triggerAt": "2026-01-01T00:00:00Z", "past": "run", "start": request}
        scheduled = (await running.http.post(f"{running.gateway}/schedules", json=schedule)).json()["id"]
        produced = "01900000-0000-7000-8000-000000000001"
        await producer.send([Outgoing("jobs.requested", produced, orjson.dumps({"id": produced, **request}), ())])
        for job_id in (scheduled, produced):
            assert len((await _answer(running, job_id)).json()["items"]) == 3

        quote = {"method": "POST", "path": "/quote", "json": {"sku": 7}}
        waiting = [
            asyncio.create_task(ask(running, "slow", wait=50, request=one)) for one in (quote, {"path": "/items"})
        ]
        await eventually(lambda: _in_flight(running, 2), 20)
        running.kill("fetcher")
        told, repeated = await asyncio.gather(*waiting)
        assert (told.status_code, told.headers["content-type"]) == (502, "application/problem+json")
        assert "outcome_unknown" in told.json()["detail"]
        assert repeated.status_code == 200
        assert (await running.truth("slow"))["by_kind"]["quote"] == 1

        keyed = {"Prefer": "wait=20", "Idempotency-Key": "once"}
        document = {"vendor": "slow", "request": {**quote, "json": {"sku": 8}}}
        post = running.http.post(f"{running.gateway}/jobs", json=document, headers=keyed)
        first = asyncio.create_task(post)
        await eventually(lambda: _in_flight(running, 1), 20)
        running.kill("callback-gateway")
        with pytest.raises(httpx.HTTPError):
            await first

        async def ask_again() -> httpx.Response:
            return await running.http.post(f"{running.gateway}/jobs", json=document, headers=keyed)

        again = await eventually(ask_again, 30)
        assert (again.status_code, again.json()["echo"]) == (200, {"sku": 8})
        assert again.headers["idempotency-replayed"] == "true"
        assert (await running.truth("slow"))["by_kind"]["quote"] == 2


async def _answer(running: Cluster, job_id: str) -> httpx.Response:
    async def answered() -> httpx.Response:
        answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/answer")
        assert answer.status_code == 200, answer.text
        return answer

    return await eventually(answered, 20)


async def _in_flight(running: Cluster, count: int) -> bool:
    return bool((await running.truth("slow"))["in_flight"] == count)


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

        given = "01900000-0000-7000-8000-000000000002"
        assert (await ask(running, "slow", wait=None, id=given)).status_code == 202
        await running.control(given, "cancel")
        told = await ask(running, "slow", id=given)
        assert (told.status_code, told.json()["detail"]) == (502, "the request is cancelled: by request")


async def test_nothing_answered_is_told_as_such(topics: Place, tmp_path: Path) -> None:
    """D17: no crash when there is no response."""
    async with cluster(topics, tmp_path) as running:
        await running.apply_vendor("gone", retry=FAST, base_url=f"http://127.0.0.1:{free_port()}")
        answer = await ask(running, "gone")
        assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
        assert "attempts_exhausted" in answer.json()["detail"]
        [letter] = await eventually(running.dead_letters, 20)
        assert letter["reason"] == "attempts_exhausted"


@more_addresses
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
