"""Design 3, the way out: a signed webhook reports the end of a job once, however the receiver behaves."""

from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster import Cluster
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
POLL = {"request": {"path": "/items"}, "pages": {"style": "none"}, "records": {"key": "id"}}
FAST = {"attempts": 4, "backoff": {"base": "50ms", "cap": "100ms"}}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"RECEIVER_SECRET": SECRET}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(running: Cluster) -> Cluster:
    """The module's cluster, with the vendor that receives webhooks."""
    await running.apply_vendor("receive", retry=FAST)
    return running


async def received(running: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await running.http.get(f"{running.simulator}/_truth/receive/{name}")).json()
    return found


async def deliveries(running: Cluster) -> set[str]:
    """The ids of all jobs that deliver a webhook."""
    jobs = (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"]
    return {job["id"] for job in jobs if job["kind"] == "deliver"}


async def test_the_end_of_a_job_is_told_by_a_signed_webhook(running: Cluster) -> None:
    await running.configure_simulator("told", records=5)
    await running.apply_vendor("told")
    receiver = f"{running.simulator}/_control/receivers/done"
    assert (await running.http.put(receiver, json={"secret": SECRET, "fail_first": 2})).is_success
    webhook = {"webhook": f"{running.simulator}/receive/done", "vendor": "receive", "secret": "env:RECEIVER_SECRET"}
    notify = [{**webhook, "on": ["completed"]}, {**webhook, "on": ["failed"]}]
    before = await deliveries(running)
    job_id = await running.submit({"vendor": "told", "poll": POLL, "notify": notify})

    async def accepted() -> bool:
        return bool((await received(running, "done"))["accepted"]["distinct"])

    await eventually(accepted, 40)
    truth = await received(running, "done")
    assert (truth["messages"]["distinct"], truth["accepted"]["distinct"]) == (1, 1)
    assert set(truth["by_signature"]) == {"valid"}
    assert len(truth["log"]) == 3
    assert truth["log"][-1]["body"]["data"]["job_id"] == job_id
    assert truth["log"][-1]["body"]["type"] == "job.completed"
    [delivery] = await deliveries(running) - before
    assert (await running.ended(delivery))["status"] == "completed"
    for job in (job_id, delivery):
        assert await running.dead_letters(job_id=job) == []


@pytest.mark.parametrize(
    ("status", "times", "reason"), [(410, 1, "refused_410"), (500, 4, "attempts_exhausted")], ids=["410", "500"]
)
async def test_a_webhook_answered_410_is_sent_once_and_one_answered_500_until_its_attempts_end(
    running: Cluster, status: int, times: int, reason: str
) -> None:
    name = f"answers-{status}"
    made = await running.http.put(f"{running.simulator}/_control/receivers/{name}", json={"status": status})
    assert made.is_success
    document = {"deliver": f"{running.simulator}/receive/{name}", "vendor": "receive", "event": {"type": "x"}}
    job = await running.ended(await running.submit({**document, "retry": FAST}))
    assert job["status"] == "failed"
    assert len((await received(running, name))["log"]) == times
    [letter] = await eventually(lambda: running.dead_letters(job_id=job["id"]), 20)
    assert letter["reason"] == reason
