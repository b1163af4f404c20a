"""Design 3, the way out: the end of a job is told by a signed webhook, once, however the receiver behaves."""

from pathlib import Path

import pytest

from tests.cluster import cluster
from tests.eventually import eventually
from tests.stack import Place

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
POLL = {"request": {"path": "/items"}, "pages": {"style": "none"}, "records": {"key": "id"}}
FAST = {"attempts": 4, "backoff": {"base": "50ms", "cap": "100ms"}}


async def test_the_end_of_a_job_is_told_by_a_signed_webhook(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECEIVER_SECRET", SECRET)
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("told", records=5)
        await running.apply_vendor("told")
        await running.apply_vendor("receive", retry=FAST)
        receiver = f"{running.simulator}/_control/receivers/done"
        assert (await running.http.put(receiver, json={"secret": SECRET, "fail_first": 2})).is_success
        webhook = {"webhook": f"{running.simulator}/receive/done", "vendor": "receive", "secret": "env:RECEIVER_SECRET"}
        notify = [{**webhook, "on": ["completed"]}, {**webhook, "on": ["failed"]}]
        job_id = await running.submit({"vendor": "told", "poll": POLL, "notify": notify})

        async def accepted() -> bool:
            found = (await running.http.get(f"{running.simulator}/_truth/receive/done")).json()
            return bool(found["accepted"]["distinct"])

        await eventually(accepted, 40)
        truth = (await running.http.get(f"{running.simulator}/_truth/receive/done")).json()
        assert (truth["messages"]["distinct"], truth["accepted"]["distinct"]) == (1, 1)
        assert set(truth["by_signature"]) == {"valid"}
        assert len(truth["log"]) == 3
        assert truth["log"][-1]["body"]["data"]["job_id"] == job_id
        assert truth["log"][-1]["body"]["type"] == "job.completed"
        jobs = (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"]
        [delivery] = [job["id"] for job in jobs if job["kind"] == "deliver"]
        assert (await running.ended(delivery))["status"] == "completed"
        assert await running.dead_letters() == []


async def test_a_webhook_answered_410_is_sent_once_and_one_answered_500_until_its_attempts_end(
    topics: Place, tmp_path: Path
) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.apply_vendor("receive", retry=FAST)
        for name, status in (("gone", 410), ("never", 500)):
            made = await running.http.put(f"{running.simulator}/_control/receivers/{name}", json={"status": status})
            assert made.is_success
        ends = {}
        for name in ("gone", "never"):
            document = {"deliver": f"{running.simulator}/receive/{name}", "vendor": "receive", "event": {"type": "x"}}
            ends[name] = await running.ended(await running.submit({**document, "retry": FAST}))
        assert {name: job["status"] for name, job in ends.items()} == {"gone": "failed", "never": "failed"}
        truth = (await running.http.get(f"{running.simulator}/_truth/receive/gone")).json()
        assert len(truth["log"]) == 1
        truth = (await running.http.get(f"{running.simulator}/_truth/receive/never")).json()
        assert len(truth["log"]) == 4
        letters = await eventually(lambda: _two(running.dead_letters), 20)
        assert {letter["reason"] for letter in letters} == {"refused_410", "attempts_exhausted"}


async def _two(find: object) -> list[dict[str, object]]:
    letters: list[dict[str, object]] = await find()  # type: ignore[operator]
    return letters if len(letters) == 2 else []
