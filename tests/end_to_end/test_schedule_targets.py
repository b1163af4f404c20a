"""Design 4 as its clients use it: a request with its own payload, a target chosen by it, and what follows from a
failure."""

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.end_to_end.schedules import POLL, running_jobs, schedule, shown
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.signing import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYLOAD = {
    "order": 2**60,
    "text": 'a "quote", {{braces}}, \\ and é 漢',
    "lines": [{"sku": None, "rate": 0.5}],
    "by": "{schedule.name}",
    "correlation": "{schedule.id}",
    "at": "{schedule.time}",
}
KEY = {"Idempotency-Key": "{schedule.id} {schedule.time}"}
"""A call with it may be repeated."""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"RECEIVER_SECRET": SECRET}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(running: Cluster) -> Cluster:
    """The module's cluster, with a vendor to poll and one that receives what it is sent."""
    await running.configure_simulator("acme", records=5)
    await running.apply_vendor("acme")
    await running.apply_vendor("receive", retry={"attempts": 1})
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def orphan(running: Cluster) -> str:
    """A schedule whose source is deleted before its time. The planner waits for a source that may be on its way, so
    this one begins first, and the other tests run meanwhile."""
    source = f"{running.gateway}/sources/leaves"
    assert (await running.http.put(source, json={"vendor": "acme", "poll": POLL})).status_code == 201
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), start={"source": "leaves"})
    assert (await running.http.delete(source)).status_code == 204
    return schedule_id


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


def post(receiver: str, payload: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"vendor": "receive", "request": {"method": "POST", "path": f"/{receiver}", "json": payload, **more}}


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


async def listed(running: Cluster) -> set[str]:
    """The ids of all schedules that are shown in the list."""
    found = (await running.http.get(f"{running.gateway}/schedules")).json()["schedules"]
    return {one["id"] for one in found}


async def test_a_payload_arrives_once_and_as_it_was_given_while_the_gateway_is_away(running: Cluster) -> None:
    await receiver(running, "due")
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
    assert schedule_id not in await listed(running)


async def test_an_event_for_a_public_topic_is_published_at_its_time_and_its_schedule_removed(running: Cluster) -> None:
    await receiver(running, "published")
    event = post("published", {"correlation": "{schedule.id}"})
    publish = {"topic": "jobs.requested", "event": event}
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), publish=publish)
    [request] = await eventually(lambda: received(running, "published"), 30)
    assert request["body"] == {"correlation": schedule_id}
    firing = await verdict(running, schedule_id, "removed")
    assert (await running.ended(firing["job_id"]))["status"] == "completed"
    assert schedule_id not in await listed(running)


async def test_a_run_that_failed_is_started_again_as_its_schedule_says(running: Cluster) -> None:
    await receiver(running, "flaky", fail_first=1)
    document = {"triggerAt": soon().isoformat(), "on_failure": {"reschedule": {"after": "100ms", "at_most": 2}}}
    schedule_id = await schedule(running, **document, start=post("flaky", {"a": 1}, headers=KEY))
    firing = await verdict(running, schedule_id, "removed")
    assert (firing["verdict"], firing["attempt"]) == ("succeeded", 1)
    assert [one["status"] for one in await received(running, "flaky")] == [500, 204]


async def test_a_call_that_must_not_be_repeated_is_not_repeated_by_its_schedule(running: Cluster) -> None:
    """The vendor may have done what it was asked for, and answered 500."""
    await receiver(running, "once", fail_first=1)
    document = {"triggerAt": soon().isoformat(), "on_failure": {"reschedule": {"after": "100ms"}}}
    schedule_id = await schedule(running, **document, start=post("once", {"a": 1}))
    firing = await verdict(running, schedule_id, "failed")
    assert (firing["verdict"], firing["reason"].split(":")[0]) == ("failed", "outcome_unknown")
    assert [one["status"] for one in await received(running, "once")] == [500]


async def test_a_run_that_is_triggered_while_it_waits_is_not_started_again(running: Cluster) -> None:
    """The target was repaired in the meantime: the request is sent once more, and the schedule is over."""
    await receiver(running, "repaired", fail_first=1)
    again = {"reschedule": {"after": "1h", "at_most": 2}}
    document = {"triggerAt": datetime.now(UTC).isoformat(), "past": "run", "on_failure": again}
    schedule_id = await schedule(running, **document, start=post("repaired", {"a": 1}, headers=KEY))

    async def waits() -> bool:
        found = (await running.http.get(f"{running.gateway}/schedules/{schedule_id}")).json()
        return [one["verdict"] for one in found["firings"]] == ["rescheduled"]

    await eventually(waits, 30)
    assert (await running.http.post(f"{running.gateway}/schedules/{schedule_id}/trigger")).status_code == 202
    found = await eventually(lambda: shown(running, schedule_id, "removed"), 30)
    assert found is not None
    assert [one["verdict"] for one in found["firings"]] == ["succeeded", "failed"]
    assert [one["status"] for one in await received(running, "repaired")] == [500, 204]


async def test_a_schedule_that_failed_for_good_is_reported_once_and_can_be_triggered_again(running: Cluster) -> None:
    """It stays, with its reason, until a person has repaired its target."""
    await receiver(running, "broken", status=422)
    await receiver(running, "told", secret=SECRET)
    notify = {"webhook": f"{running.simulator}/receive/told", "vendor": "receive", "secret": "env:RECEIVER_SECRET"}
    then = {"reschedule": {"after": "100ms", "at_most": 1}, "notify": [notify]}
    schedule_id = await schedule(running, triggerAt=soon().isoformat(), start=post("broken", {"a": 1}), on_failure=then)
    firing = await verdict(running, schedule_id, "failed")
    assert (firing["verdict"], firing["attempt"], firing["reason"]) == ("failed", 1, firing["of"]["reason"])
    assert firing["reason"].startswith("refused_422")
    assert await running.dead_letters(job_id=firing["job_id"]) == []
    [notice] = await eventually(lambda: received(running, "told"), 30)
    assert (notice["valid"], notice["body"]["type"]) == (True, "schedule.failed")
    assert (notice["body"]["data"]["schedule_id"], notice["body"]["data"]["reason"]) == (schedule_id, firing["reason"])
    await receiver(running, "broken")
    assert (await running.http.post(f"{running.gateway}/schedules/{schedule_id}/trigger")).status_code == 202
    found = await eventually(lambda: shown(running, schedule_id, "removed"), 30)
    assert found is not None
    assert [one["verdict"] for one in found["firings"]] == ["succeeded", "failed"]
    assert [one["status"] for one in await received(running, "broken")] == [422, 422, 204]


async def test_a_schedule_of_the_same_name_and_time_can_be_asked_for_again_when_it_has_run(running: Cluster) -> None:
    document = {"schedule": "again", "triggerAt": datetime.now(UTC).isoformat(), "past": "run"}
    for runs in (1, 2):
        await schedule(running, **document, start={"vendor": "acme", "poll": POLL})

        async def over(runs: int = runs) -> bool:
            jobs = [job for job in await running_jobs(running) if job["kind"] == "poll"]
            return [job["status"] for job in jobs if job["status"] != "rejected"] == ["completed"] * runs

        await eventually(over, 40)
        await eventually(lambda: shown(running, "again", "removed"), 40)


async def test_a_schedule_whose_source_is_deleted_before_its_time_fails_and_stays(
    running: Cluster, orphan: str
) -> None:
    firing = await verdict(running, orphan, "failed")
    assert firing["reason"].endswith("no source is called leaves")
    assert orphan in await listed(running)
    assert [letter["reason"] for letter in await running.dead_letters(job_id=orphan)] == ["config_missing"]
