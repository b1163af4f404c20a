"""Design 2: one call, robustly made; a client that waits gets the vendor's own answer, also when every attempt
failed."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from infra.local.ports import free_port
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.loopback import more_addresses

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST = {"attempts": 3, "backoff": {"base": "20ms", "cap": "50ms"}}
QUOTE = {"method": "POST", "path": "/quote", "json": {"sku": 7}}


async def ask(running: Cluster, vendor: str, wait: int | None = 20, **more: Any) -> httpx.Response:
    document = {"vendor": vendor, "request": {"path": "/items", "query": {"limit": 2}}, **more}
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}

    async def post() -> httpx.Response:
        answer = await running.http.post(f"{running.gateway}/jobs", json=document, headers=headers, timeout=60)
        assert "no vendor" not in answer.text
        return answer

    return await eventually(post, 20)


async def test_a_client_that_waits_gets_the_vendors_own_answer(running: Cluster) -> None:
    await running.configure_simulator("good", records=10, contract={"requests": 100, "per_seconds": 1})
    await running.apply_vendor("good", retry=FAST)
    answer = await ask(running, "good", answer={"headers": ["Content-Type", "X-Nothing"]})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=20")
    assert len(answer.json()["items"]) == 2
    job = await running.job(answer.headers["sluice-job"])
    assert (job["kind"], job["status"], job["answer"]["status"]) == ("request", "completed", 200)
    again = await running.http.get(f"{running.gateway}/jobs/{job['id']}/answer")
    assert again.content == answer.content


async def test_a_call_that_the_vendor_refuses_is_not_repeated_and_its_answer_comes_back(running: Cluster) -> None:
    await running.configure_simulator("refuses", records=10)
    await running.apply_vendor("refuses", retry=FAST)
    answer = await ask(running, "refuses", request={"path": "/nowhere"})
    assert answer.status_code == 404
    job = await running.job(answer.headers["sluice-job"])
    assert (job["status"], job["answer"]["reason"][:11]) == ("failed", "refused_404")
    await eventually(lambda: _attempts(running, job["id"], 1))


async def test_when_every_attempt_failed_the_vendors_last_answer_comes_back(running: Cluster) -> None:
    await running.configure_simulator("bad", records=10, error_share=1.0)
    await running.apply_vendor("bad", retry=FAST)
    answer = await ask(running, "bad", answer={"headers": ["Content-Type"]})
    job_id = answer.headers["sluice-job"]
    attempts = await eventually(lambda: _attempts(running, job_id, 3))
    assert [one["attempt"] for one in attempts] == [1, 2, 3]
    assert [one["verdict"] for one in attempts] == ["retry", "retry", "give_up"]
    assert {one["egress"] for one in attempts} == {"direct"}
    assert answer.status_code == attempts[-1]["status"] == answer.json()["error"]["status"] >= 500
    job = await running.job(job_id)
    assert (job["status"], job["answer"]["status"]) == ("failed", answer.status_code)
    assert (await running.truth("bad"))["requests"] == 3
    assert await running.dead_letters(job_id=job_id) == []


async def test_the_first_success_ends_a_request_and_is_reported_by_webhook(running: Cluster) -> None:
    await running.configure_simulator("twice", fail_paths=[{"match": "/quote", "status": 503, "times": 2}])
    await running.apply_vendor("twice", retry=FAST)
    await running.apply_vendor("receive", retry=FAST)
    await running.http.put(f"{running.simulator}/_control/receivers/told", json={})
    notify = [{"webhook": f"{running.simulator}/receive/told", "vendor": "receive", "on": ["completed", "failed"]}]
    request = {**QUOTE, "headers": {"Idempotency-Key": "quote-7"}}
    answer = await ask(running, "twice", request=request, notify=notify)
    assert (answer.status_code, answer.json()["echo"]) == (200, {"sku": 7})
    attempts = await eventually(lambda: _attempts(running, answer.headers["sluice-job"], 3))
    assert [one["status"] for one in attempts] == [503, 503, 200]
    assert await eventually(lambda: _told(running)) == ("job.completed", answer.headers["sluice-job"])


async def test_a_client_that_waits_for_a_poll_gets_its_job_when_it_is_over(running: Cluster) -> None:
    await running.configure_simulator("broken", records=10, error_share=1.0)
    await running.apply_vendor("broken", retry=FAST)
    poll = {"vendor": "broken", "poll": {"request": {"path": "/items"}}}
    job = (await running.http.post(f"{running.gateway}/jobs", json=poll, headers={"Prefer": "wait=20"})).json()
    assert (job["status"], sum(job["counts"].values())) == ("failed", 1)


async def _told(running: Cluster) -> tuple[str, str]:
    [webhook] = (await running.http.get(f"{running.simulator}/_truth/receive/told")).json()["log"]
    return webhook["body"]["type"], webhook["body"]["data"]["job_id"]


async def _attempts(running: Cluster, job_id: str, count: int) -> list[dict[str, Any]]:
    [task] = (await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")).json()["tasks"]
    found: list[dict[str, Any]] = task["attempts"]
    assert len(found) == count, found
    return found


async def test_a_request_by_schedule_or_by_topic_is_answered_like_one_over_http(running: Cluster) -> None:
    await running.configure_simulator("asked", records=10)
    await running.apply_vendor("asked", retry=FAST)
    request = {"vendor": "asked", "request": {"path": "/items", "query": {"limit": 3}}}
    schedule = {"triggerAt": "2026-01-01T00:00:00Z", "past": "run", "start": request}
    scheduled = (await running.http.post(f"{running.gateway}/schedules", json=schedule)).json()["id"]
    produced = "01900000-0000-7000-8000-000000000001"
    producer = Producer(running.place.kafka, prefix=running.place.prefix)
    await producer.open()
    try:
        await producer.send([Outgoing("jobs.requested", produced, orjson.dumps({"id": produced, **request}), ())])
    finally:
        await producer.close()
    for job_id in (scheduled, produced):
        assert len((await _answer(running, job_id)).json()["items"]) == 3


async def test_when_the_fetcher_dies_a_call_is_repeated_only_where_it_may_be(running: Cluster) -> None:
    """The client of the other learns that its outcome is unknown."""
    await running.configure_simulator("dies", records=10, delay_seconds=[4.0, 4.0])
    await running.apply_vendor("dies", retry=FAST)
    waiting = [asyncio.create_task(ask(running, "dies", wait=50, request=one)) for one in (QUOTE, {"path": "/items"})]
    await eventually(lambda: _in_flight(running, "dies", 2), 20)
    running.kill("fetcher")
    unknown, repeated = await asyncio.gather(*waiting)
    assert (unknown.status_code, unknown.headers["content-type"]) == (502, "application/problem+json")
    assert "outcome_unknown" in unknown.json()["detail"]
    assert repeated.status_code == 200
    assert (await running.truth("dies"))["by_kind"]["quote"] == 1


async def test_when_the_gateway_dies_the_same_request_gets_the_answer_of_the_first(running: Cluster) -> None:
    await running.configure_simulator("keyed", records=10, delay_seconds=[4.0, 4.0])
    await running.apply_vendor("keyed", retry=FAST)
    headers = {"Prefer": "wait=20", "Idempotency-Key": "once"}
    document = {"vendor": "keyed", "request": QUOTE}
    post = running.http.post(f"{running.gateway}/jobs", json=document, headers=headers)
    first = asyncio.create_task(post)
    await eventually(lambda: _in_flight(running, "keyed", 1), 20)
    running.kill("callback-gateway")
    with pytest.raises(httpx.HTTPError):
        await first

    async def ask_again() -> httpx.Response:
        return await running.http.post(f"{running.gateway}/jobs", json=document, headers=headers)

    again = await eventually(ask_again, 30)
    assert (again.status_code, again.json()["echo"]) == (200, {"sku": 7})
    assert again.headers["idempotency-replayed"] == "true"
    assert (await running.truth("keyed"))["by_kind"]["quote"] == 1


async def _answer(running: Cluster, job_id: str) -> httpx.Response:
    async def answered() -> httpx.Response:
        answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/answer")
        assert answer.status_code == 200, answer.text
        return answer

    return await eventually(answered, 20)


async def _in_flight(running: Cluster, vendor: str, count: int) -> bool:
    return bool((await running.truth(vendor))["in_flight"] == count)


async def test_a_client_whose_wait_ends_first_finds_the_answer_later(running: Cluster) -> None:
    """D16: the wait ends, and the request goes on."""
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


async def test_a_client_that_waits_for_a_cancelled_request_gets_502_with_the_reason(running: Cluster) -> None:
    """D15: what ended without an answer is no success."""
    await running.configure_simulator("cancelled", records=10, delay_seconds=[2.0, 2.0])
    await running.apply_vendor("cancelled", retry=FAST)
    given = "01900000-0000-7000-8000-000000000002"
    assert (await ask(running, "cancelled", wait=None, id=given)).status_code == 202
    await running.control(given, "cancel")
    answer = await ask(running, "cancelled", id=given)
    assert (answer.status_code, answer.json()["detail"]) == (502, "the request is cancelled: by request")


async def test_a_vendor_that_never_answers_is_a_502_with_the_reason(running: Cluster) -> None:
    """D17: no crash when there is no response."""
    await running.apply_vendor("gone", retry=FAST, base_url=f"http://127.0.0.1:{free_port()}")
    given = "01900000-0000-7000-8000-000000000003"
    answer = await ask(running, "gone", id=given)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    assert "attempts_exhausted" in answer.json()["detail"]
    [letter] = await eventually(lambda: running.dead_letters(job_id=given), 20)
    assert letter["reason"] == "attempts_exhausted"


@more_addresses
async def test_a_limited_egress_rests_and_the_next_attempt_leaves_by_another(running: Cluster) -> None:
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
