"""Design 4 as its clients use it: a request with its own payload, a target chosen by it, and what follows from a
failure."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, cluster
from tests.end_to_end.schedules import POLL, running_jobs, schedule, shown
from tests.eventually import eventually
from tests.signing import SECRET
from tests.stack import Place

PAYLOAD = {
    "order": 2**60,
    "text": 'a "quote", {{braces}}, \\ and é 漢',
    "lines": [{"sku": None, "rate": 0.5}],
    "by": "{schedule.name}",
    "correlation": "{schedule.id}",
    "at": "{schedule.time}",
}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


def post(receiver: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"vendor": "receive", "request": {"method": "POST", "path": f"/{receiver}", "json": payload}}


async def receiver(running: Cluster, name: str, **config: Any) -> None:
    answer = await running.http.put(f"{running.simulator}/_control/receivers/{name}", json=config)
    assert answer.is_success, answer.text


async def received(running: Cluster, name: str) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = (await running.http.get(f"{running.simulator}/_truth/receive/{name}")).json()["log"]
    return log


async def verdict(running: Cluster, schedule_id: str, status: str) -> dict[str, Any]:
    """Of its only firing, once the schedule stands so."""
    found = await eventually(lambda: shown(running, schedule_id, status), 60)
    assert found is not None
    [firing] = found["firings"]
    return {**firing, "of": found}


async def test_a_request_for_later_ends_as_its_client_is_told(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECEIVER_SECRET", SECRET)
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=5)
        await running.apply_vendor("acme")
        await running.apply_vendor("receive", retry={"attempts": 1})
        for name in ("due", "published"):
            await receiver(running, name)
        orphan = await its_target_goes_before_its_time(running)
        await the_payload_arrives_while_the_gateway_is_away(running)
        await any_public_topic_is_a_target(running)
        await a_failed_run_is_started_again(running)
        await a_failure_for_good_is_told_and_can_be_mended(running)
        await a_name_may_be_asked_for_again_for_the_same_time(running)
        assert (await verdict(running, orphan, "failed"))["reason"].endswith("no source is called leaves")
        listed = (await running.http.get(f"{running.gateway}/schedules")).json()["schedules"]
        assert [one["id"] for one in listed] == [orphan]
        assert [letter["reason"] for letter in await running.dead_letters()] == ["config_missing"]


async def its_target_goes_before_its_time(running: Cluster) -> str:
    """Good when it was asked for, and no more when it is due."""
    source = f"{running.gateway}/sources/leaves"
    assert (await running.http.put(source, json={"vendor": "acme", "poll": POLL})).status_code == 201
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), start={"source": "leaves"})
    assert (await running.http.delete(source)).status_code == 204
    return schedule_id


async def the_payload_arrives_while_the_gateway_is_away(running: Cluster) -> None:
    """As it was given, with the schedule's name, and once; the API has no part in it any more."""
    at = soon()
    schedule_id = await schedule(
        running, schedule="order-7", triggerAt=at.isoformat(), zone="Europe/Berlin", start=post("due", PAYLOAD)
    )
    running.processes.kill("callback-gateway", signal.SIGSTOP)
    try:
        [request] = await eventually(lambda: received(running, "due"), 30)
    finally:
        running.processes.kill("callback-gateway", signal.SIGCONT)
    body = request["body"]
    assert datetime.fromisoformat(body.pop("at")) == at
    filled = {"text": 'a "quote", {braces}, \\ and é 漢', "by": "order-7", "correlation": schedule_id}
    assert body == {**{name: value for name, value in PAYLOAD.items() if name != "at"}, **filled}
    assert request["at"] >= at.timestamp()
    assert (await verdict(running, schedule_id, "removed"))["verdict"] == "succeeded"


async def any_public_topic_is_a_target(running: Cluster) -> None:
    """The other kind of target, with the same cleaning up after it."""
    event = post("published", {"correlation": "{schedule.id}"})
    publish = {"topic": "jobs.requested", "event": event}
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), publish=publish)
    [request] = await eventually(lambda: received(running, "published"), 30)
    assert request["body"] == {"correlation": schedule_id}
    firing = await verdict(running, schedule_id, "removed")
    assert (await running.ended(firing["job_id"]))["status"] == "completed"


async def a_failed_run_is_started_again(running: Cluster) -> None:
    await receiver(running, "flaky", fail_first=1)
    again = {"reschedule": {"after": "100ms", "at_most": 2}}
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), start=post("flaky", {"a": 1}), on_failure=again)
    firing = await verdict(running, schedule_id, "removed")
    assert (firing["verdict"], firing["attempt"]) == ("succeeded", 1)
    assert [one["status"] for one in await received(running, "flaky")] == [500, 204]


async def a_failure_for_good_is_told_and_can_be_mended(running: Cluster) -> None:
    """It stays, with its reason, for somebody to look at; a signed webhook tells them, once."""
    await receiver(running, "broken", status=422)
    await receiver(running, "told", secret=SECRET)
    notify = {"webhook": f"{running.simulator}/receive/told", "vendor": "receive", "secret": "env:RECEIVER_SECRET"}
    then = {"reschedule": {"after": "100ms", "at_most": 1}, "notify": [notify]}
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), start=post("broken", {"a": 1}), on_failure=then)
    firing = await verdict(running, schedule_id, "failed")
    assert (firing["verdict"], firing["attempt"], firing["reason"]) == ("failed", 1, firing["of"]["reason"])
    assert firing["reason"].startswith("refused_422")
    [notice] = await eventually(lambda: received(running, "told"), 30)
    assert (notice["valid"], notice["body"]["type"]) == (True, "schedule.failed")
    assert (notice["body"]["schedule_id"], notice["body"]["reason"]) == (schedule_id, firing["reason"])
    await receiver(running, "broken")
    assert (await running.http.post(f"{running.gateway}/schedules/{schedule_id}/trigger")).status_code == 202
    found = await eventually(lambda: shown(running, schedule_id, "removed"), 30)
    assert found is not None
    assert [one["verdict"] for one in found["firings"]] == ["succeeded", "failed"]
    assert [one["status"] for one in await received(running, "broken")] == [422, 422, 204]


async def a_name_may_be_asked_for_again_for_the_same_time(running: Cluster) -> None:
    document = {"schedule": "again", "triggerAt": datetime.now(UTC).isoformat(), "past": "run"}
    for runs in (1, 2):
        await schedule(running, **document, start={"vendor": "acme", "poll": POLL})

        async def over(runs: int = runs) -> bool:
            jobs = [job for job in await running_jobs(running) if job["kind"] == "poll"]
            return [job["status"] for job in jobs if job["status"] != "rejected"] == ["completed"] * runs

        await eventually(over, 40)
        await eventually(lambda: shown(running, "again", "removed"), 40)
