"""Vendors that cannot be given a URL, that sign in every scheme, that show no sign of life, that answer their submits
badly: how each job ends."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.runtime.clock import utc_now
from tests.end_to_end.invocations import INVOKE, OUTCOME, callbacks, tasks
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.reports import Report, Reports
from tests.support.signing import SECRET, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = "a plain secret"
SCHEMES: dict[str, dict[str, Any]] = {
    "standard": {"scheme": "standard-webhooks", "secrets": ["env:NOBODY_SET_THIS", "env:CALLERS_SECRET"]},
    "github": {"scheme": "github", "secrets": ["env:CALLERS_PLAIN"]},
    "hmac": {
        "scheme": "hmac",
        "secrets": ["env:CALLERS_PLAIN"],
        "header": "X-Signature",
        "algorithm": "sha512",
        "encoding": "base64",
        "prefix": "v1=",
        "timestamp": "X-Time",
    },
    "token": {"scheme": "token", "secrets": ["env:CALLERS_PLAIN"]},
}
KEYED = {**INVOKE["submit"], "headers": {"Idempotency-Key": "{task.id}"}}
SILENT = {"method": "POST", "path": "/reports", "json": {"month": "{input.month}"}}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"CALLERS_SECRET": SECRET, "CALLERS_PLAIN": PLAIN}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports(running: Cluster) -> AsyncIterator[Reports]:
    """The vendor `acme` of the module's cluster. It calls back for the month `github`, and for the second submit of the
    month `expired`, before it answers the submit."""

    async def on_submit(reports: Reports, report: Report) -> None:
        months = [one.input["month"] for one in reports.reports.values()]
        if report.input["month"] == "github":
            assert await call_back(running, "github", report, "succeeded") == 202
        if report.input["month"] == "expired" and months.count("expired") == 2:
            assert await reports.call_back(report, "succeeded") == 202

    async with Reports(on_submit) as made:
        await apply(running, made, "acme")
        yield made


def headers_of(scheme: str, body: bytes) -> dict[str, str]:
    """How a vendor proves itself, by each scheme."""
    now = str(int(utc_now().timestamp()))
    match scheme:
        case "standard":
            return dict(signed(body, "msg_1")["headers"])
        case "github":
            return {"X-Hub-Signature-256": f"sha256={hmac.new(PLAIN.encode(), body, 'sha256').hexdigest()}"}
        case "hmac":
            mac = hmac.digest(PLAIN.encode(), f"{now}.".encode() + body, "sha512")
            return {"X-Signature": f"v1={base64.b64encode(mac).decode()}", "X-Time": now}
        case _:
            return {"Authorization": f"Bearer {PLAIN}"}


async def apply(running: Cluster, reports: Reports, vendor: str, **callbacks: Any) -> None:
    document = {
        "base_url": reports.url,
        "network": {"private_addresses": "allow"},
        "callbacks": {"outcome": OUTCOME, **callbacks},
        "retry": {"attempts": 3, "backoff": {"base": "50ms", "cap": "200ms"}},
    }
    answer = await running.http.put(f"{running.gateway}/vendors/{vendor}", json=document)
    assert answer.status_code in (200, 201), answer.text


async def invoke(running: Cluster, vendor: str, month: str, **invoke: Any) -> str:
    document = {"vendor": vendor, "invoke": {**INVOKE, **invoke}, "input": [{"month": month}]}
    return await running.submit({**document, "sinks": [{"type": "postgres", "table": "reports"}]})


async def submitted(reports: Reports, month: str) -> Report:
    """What was submitted for this month, once it was."""
    found = await eventually(lambda: [one for one in reports.reports.values() if one.input["month"] == month], 30)
    return found[0]


async def call_back(running: Cluster, vendor: str, report: Report, status: str, **headers: str) -> int:
    """By the vendor's own id, with these headers or the right ones."""
    report.status = status
    body = json.dumps({"status": status, "data": {"job_id": report.id}}).encode()
    given = headers or headers_of(vendor, body)
    url = f"{running.gateway}/callbacks/{vendor}"
    return (await running.http.post(url, content=body, headers=given)).status_code


@pytest.mark.parametrize("vendor", SCHEMES)
async def test_a_signed_callback_names_its_job_by_the_vendors_id(
    running: Cluster, reports: Reports, vendor: str
) -> None:
    """One of two secrets is not set. The callback of `github` is faster than the answer to its submit."""
    await apply(running, reports, vendor, verify=SCHEMES[vendor], vendor_job="body.data.job_id")
    job_id = await invoke(running, vendor, vendor, submit=SILENT)
    report = await submitted(reports, vendor)
    assert await call_back(running, vendor, report, "failed", forged="x") == 401
    told = [("done", "accepted")]
    if vendor != "github":
        assert await call_back(running, vendor, report, "running") == 202
        assert await call_back(running, vendor, report, "succeeded") == 202
        told.append(("progress", "accepted"))
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"]) == ("completed", 5), job

    async def judged() -> bool:
        return await callbacks(running, job_id) == told

    await eventually(judged)
    assert await running.dead_letters(job_id=job_id) == []


STYLES: dict[str, dict[str, Any]] = {
    "none": {"style": "none"},
    "offset": {"style": "offset", "size": 2, "total": "body.total"},
    "walk": {"style": "offset", "size": 2},
    "page": {"style": "page", "size": 2, "total": "body.total"},
    "cursor": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    "keyset": {"style": "keyset", "field": "id", "into": {"query": "since"}, "size": 2},
    "next": {"style": "next", "next": "body.url"},
}


@pytest.mark.parametrize("style", STYLES)
async def test_results_come_in_every_style(running: Cluster, reports: Reports, style: str) -> None:
    results = {"request": {"path": "/reports/{vendor_job}/rows"}, "pages": STYLES[style]}
    job_id = await invoke(running, "acme", style, results=results)
    assert await reports.call_back(await submitted(reports, style), "succeeded") == 202
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"]) == ("completed", 5 if style != "none" else 2), job
    assert await running.dead_letters(job_id=job_id) == []


async def test_progress_is_a_sign_of_life_and_silence_ends_the_wait(running: Cluster, reports: Reports) -> None:
    silent = await invoke(running, "acme", "silent", heartbeat="3s", results=None)
    alive = await invoke(running, "acme", "alive", heartbeat="3s", results=None)
    report = await submitted(reports, "alive")

    async def silent_ended() -> bool:
        assert await reports.call_back(report, "running") == 202
        return bool((await running.job(silent))["ended_at"])

    await eventually(silent_ended)
    assert (await running.job(alive))["ended_at"] is None
    await reports.call_back(report, "succeeded")
    assert (await running.ended(alive))["status"] == "completed"
    job = await running.job(silent)
    assert (job["status"], job["failures"]) == ("failed", [{"reason": "heartbeat_missed", "count": 1}])
    assert job["counts"] == {"expired": 1}
    gone = await submitted(reports, "silent")
    await eventually(lambda: gone.status == "deleted", 20)
    assert await running.dead_letters(job_id=silent) == []


async def test_a_submit_that_was_refused_is_made_again_when_its_dead_letter_is_redriven(
    running: Cluster, reports: Reports
) -> None:
    before, reports.refusals = reports.submits, [400]
    job_id = await invoke(running, "acme", "refused")
    assert (await running.ended(job_id))["status"] == "failed"
    [letter] = await eventually(lambda: running.dead_letters(job_id=job_id), 20)
    assert letter["reason"] == "refused_400"
    again = await running.http.post(f"{running.gateway}/dead-letters/{letter['id']}/redrive")
    assert again.status_code == 202
    assert await reports.call_back(await submitted(reports, "refused"), "succeeded") == 202
    await running.reaches(job_id, "completed", 30)
    job = await running.job(job_id)
    assert (job["counts"], job["distinct"]) == ({"completed": 4}, 5)
    assert {one["state"] for one in await running.dead_letters(job_id=job_id)} == {"redriven"}
    assert reports.submits - before == 2


async def test_a_submit_whose_callback_never_came_is_made_again_when_its_job_is_redriven(
    running: Cluster, reports: Reports
) -> None:
    """In a round of its own: the vendor takes it for a new one, although it recognises repetitions by their key."""
    before = reports.submits
    job_id = await invoke(running, "acme", "expired", submit=KEYED, deadline="10s")
    first = await submitted(reports, "expired")
    assert (await running.ended(job_id))["status"] == "failed"
    await running.control(job_id, "redrive")
    await running.reaches(job_id, "completed", 30)
    assert await reports.call_back(first, "failed") == 202
    job = await running.job(job_id)
    assert (job["counts"], job["distinct"]) == ({"completed": 4}, 5)

    async def late() -> bool:
        return await callbacks(running, job_id) == [("done", "accepted"), ("failed", "late")]

    await eventually(late, 20)
    assert reports.submits - before == 2


@pytest.mark.parametrize(
    ("month", "submit", "submits", "errors"),
    [("bare", INVOKE["submit"], 1, 1), ("keyed", KEYED, 2, 1), ("exhausted", KEYED, 3, 3)],
    ids=["bare", "keyed", "exhausted"],
)
async def test_a_submit_answered_with_an_error_is_sent_again_only_under_a_key(
    running: Cluster, reports: Reports, month: str, submit: dict[str, Any], submits: int, errors: int
) -> None:
    before, reports.refusals = reports.submits, [500] * errors
    job_id = await invoke(running, "acme", month, submit=submit, results=None)
    report = await submitted(reports, month)

    async def waits() -> bool:
        [task] = await tasks(running, job_id)
        return bool(task["state"] == "waiting")

    await eventually(waits, 20)
    assert await reports.call_back(report, "succeeded") == 202
    assert (await running.ended(job_id))["status"] == "completed"
    assert reports.submits - before == submits
    assert await running.dead_letters(job_id=job_id) == []
