"""Design 3: a webhook over HTTP, through five processes. It is answered when it is kept; what it starts, a poll or a
vendor's job, takes as long as it takes, and its records arrive, each once."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio

from tests.end_to_end.invocations import INVOKE, OUTCOME, tasks
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.reports import Reports
from tests.support.signing import SECRET, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOOK = {
    "verify": {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK_OLD", "env:ACME_HOOK"]},
    "start": {"source": "acme-items", "parameters": {"region": "body.region"}, "when": "body.action == 'changed'"},
}
POLL = {
    "request": {"path": "/items", "query": {"region": "{parameters.region}"}},
    "pages": {"style": "offset", "total": "body.meta.total"},
    "records": {"key": "id"},
}

SUBMIT = {"text": "{parameters.text}", "count": "{parameters.count}", "callback_url": "{callback.url}"}
RESULTS = {"request": {"path": "/reports/{vendor_job}/rows", "query": {"about": "{parameters.text}"}}}
WORK = {**INVOKE, "submit": {**INVOKE["submit"], "json": SUBMIT}, "results": {**INVOKE["results"], **RESULTS}}
TEXT = 'canary "quoted" {parameters.count} {{x}} \\ ../ ?a=b&c#d\t é 漢'
"""What a body may hold that means something to JSON, URLs or our own placeholders."""


async def put(running: Cluster, place: str, document: dict[str, Any]) -> None:
    answer = await running.http.put(f"{running.gateway}/{place}", json=document)
    assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"ACME_HOOK": SECRET}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(running: Cluster) -> Cluster:
    """The module's cluster, with a hook that starts a poll."""
    await running.configure_simulator("acme", records=300)
    await running.apply_vendor("acme")
    source = {"vendor": "acme", "poll": POLL, "sinks": [{"type": "postgres", "table": "items"}]}
    await put(running, "sources/acme-items", source)
    await put(running, "hooks/acme-changed", HOOK)
    return running


async def send(running: Cluster, sender_id: str, action: str = "changed") -> dict[str, Any]:
    answer = await running.http.post(
        f"{running.gateway}/in/acme-changed", **signed({"action": action, "region": "eu"}, sender_id)
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def jobs(running: Cluster) -> set[str]:
    """The ids of all jobs."""
    return {job["id"] for job in (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"]}


async def test_a_webhook_that_comes_three_times_is_one_job_with_its_records(running: Cluster) -> None:
    sent = [await send(running, "msg_1") for _ in range(3)]
    assert len({answer["id"] for answer in sent}) == 1
    job = await eventually(lambda: ended(running, sent[0]), 60)
    assert (job["id"], job["status"], job["records"]) == (sent[0]["id"], "completed", 300)
    assert len(await running.records("items")) == 300
    assert await running.dead_letters(job_id=job["id"]) == []


async def test_a_webhook_that_the_condition_of_its_hook_leaves_out_starts_no_job(running: Cluster) -> None:
    left_out = await send(running, "msg_2", action="read")
    after = await send(running, "msg_3")
    assert (await eventually(lambda: ended(running, after), 60))["status"] == "completed"
    assert left_out["id"] not in await jobs(running)


async def test_after_a_kill_of_the_gateway_a_webhook_that_comes_again_is_still_the_same_job(running: Cluster) -> None:
    first = await send(running, "msg_4")
    assert (await eventually(lambda: ended(running, first), 60))["status"] == "completed"
    before = await jobs(running)
    running.kill("callback-gateway")
    assert await eventually(lambda: send(running, "msg_4"), 30) == first
    new = await send(running, "msg_5")
    assert (await eventually(lambda: ended(running, new), 60))["status"] == "completed"
    assert await jobs(running) == before | {new["id"]}


async def test_a_webhook_starts_a_vendors_job_that_gets_its_body_as_it_is(running: Cluster, root: Path) -> None:
    """The vendor is done when the test says so; the body is in no log."""
    async with Reports() as reports:
        job_id = await _job_with_text(running, reports)
    logs = {path.stem: path.read_text() for path in (root / "logs").glob("*.log")}
    assert job_id in logs["planner"]
    assert not any("canary" in text for text in logs.values())


async def _job_with_text(running: Cluster, reports: Reports) -> str:
    """Done, with records; nothing of the text was lost or taken for something else on its way."""
    callbacks = {"callbacks": {"outcome": OUTCOME}}
    vendor = {"base_url": reports.url, "network": {"private_addresses": "allow"}, **callbacks}
    await put(running, "vendors/reports", vendor)
    sinks = [{"type": "postgres", "table": "reports"}]
    await put(running, "sources/reports", {"vendor": "reports", "invoke": WORK, "sinks": sinks})
    parameters = {"text": "body.order.text", "count": "body.order.count"}
    await put(running, "hooks/orders", {"start": {"source": "reports", "parameters": parameters}})
    order = {"order": {"text": TEXT, "count": 7}}
    answer = await running.http.post(f"{running.gateway}/in/orders", json=order)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    job_id = str(answer.json()["id"])
    [report] = await eventually(lambda: list(reports.reports.values()), 30)
    assert (await eventually(lambda: running.job(job_id)))["ended_at"] is None
    assert report.input == {"text": TEXT, "count": 7}
    assert await reports.call_back(report, "succeeded") == 202
    job = await running.ended(job_id)
    assert (job["kind"], job["status"], job["records"]) == ("invoke", "completed", 5), job
    assert [json.loads(row["record"])["of"]["text"] for row in await running.records("reports")] == [TEXT] * 5
    pages = [parse_qs(asked.partition("?")[2]) for asked in reports.asked if "/rows" in asked]
    assert [page["about"] for page in pages] == [[TEXT.lower()]] * 3
    await eventually(lambda: are_answered(running, job_id, [202, 200, 200, 200]), 20)
    return job_id


async def are_answered(running: Cluster, job_id: str, wanted: list[int]) -> bool:
    """Each call has had one attempt, which was answered so."""
    statuses = [[attempt["status"] for attempt in task["attempts"]] for task in await tasks(running, job_id)]
    return statuses == [[status] for status in wanted]


async def test_a_webhook_whose_job_failed_is_answered_as_before_when_it_comes_again(running: Cluster) -> None:
    poll = {"request": {"path": "/nowhere"}, "pages": {"style": "none"}}
    await put(running, "sources/nowhere", {"vendor": "acme", "poll": poll})
    await put(running, "hooks/nowhere", {"start": {"source": "nowhere"}, "id": "body.id"})
    place = f"{running.gateway}/in/nowhere"
    first = await running.http.post(place, json={"id": 1})
    assert (await eventually(lambda: ended(running, first.json()), 60))["status"] == "failed"
    again = await running.http.post(place, json={"id": 1})
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())


async def ended(running: Cluster, answer: dict[str, Any]) -> dict[str, Any] | None:
    job = await running.job(answer["links"]["job"].removeprefix("/jobs/"))
    return job if job.get("ended_at") else None
