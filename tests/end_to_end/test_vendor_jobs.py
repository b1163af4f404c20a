"""Vendors that cannot be given a URL, that sign in every scheme, that show no sign of life, that answer their submits
badly: how each job ends."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.clock import utc_now
from tests.cluster import Cluster, cluster
from tests.end_to_end.invocations import INVOKE, OUTCOME, callbacks, tasks
from tests.eventually import eventually
from tests.reports import Report, Reports
from tests.signing import SECRET, signed
from tests.stack import Place

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
SILENT = {"method": "POST", "path": "/reports", "json": {"month": "{input.month}"}}


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


async def test_a_signed_callback_names_its_job_by_the_vendors_id(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every scheme; one of two secrets is not set. One callback is faster than the answer to its submit."""
    monkeypatch.setenv("CALLERS_SECRET", SECRET)
    monkeypatch.setenv("CALLERS_PLAIN", PLAIN)
    clusters: list[Cluster] = []

    async def on_submit(reports: Reports, report: Report) -> None:
        if report.input["month"] == "github":
            assert await call_back(clusters[0], "github", report, "succeeded") == 202

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        clusters.append(running)
        jobs = {}
        for vendor, verify in SCHEMES.items():
            await apply(running, reports, vendor, verify=verify, vendor_job="body.data.job_id")
            jobs[vendor] = await invoke(running, vendor, vendor, submit=SILENT)
        for vendor in SCHEMES:
            report = await submitted(reports, vendor)
            assert await call_back(running, vendor, report, "failed", forged="x") == 401
            if vendor != "github":
                assert await call_back(running, vendor, report, "running") == 202
                assert await call_back(running, vendor, report, "succeeded") == 202
        for vendor, job_id in jobs.items():
            job = await running.ended(job_id)
            assert (vendor, job["status"], job["distinct"]) == (vendor, "completed", 5), job
            told = [("done", "accepted")] + ([("progress", "accepted")] if vendor != "github" else [])
            assert await callbacks(running, job_id) == told
        assert await running.dead_letters() == []


STYLES: dict[str, dict[str, Any]] = {
    "none": {"style": "none"},
    "offset": {"style": "offset", "size": 2, "total": "body.total"},
    "walk": {"style": "offset", "size": 2},
    "page": {"style": "page", "size": 2, "total": "body.total"},
    "cursor": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    "keyset": {"style": "keyset", "field": "id", "into": {"query": "since"}, "size": 2},
    "next": {"style": "next", "next": "body.url"},
}


async def test_results_come_in_every_style(topics: Place, tmp_path: Path) -> None:
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
        jobs = {}
        for style, pages in STYLES.items():
            results = {"request": {"path": "/reports/{vendor_job}/rows"}, "pages": pages}
            jobs[style] = await invoke(running, "acme", style, results=results)
        for style in STYLES:
            await reports.call_back(await submitted(reports, style), "succeeded")
        for style, job_id in jobs.items():
            job = await running.ended(job_id)
            assert (style, job["status"], job["distinct"]) == (style, "completed", 5 if style != "none" else 2), job
        assert await running.dead_letters() == []


async def test_progress_is_a_sign_of_life_and_silence_ends_the_wait(topics: Place, tmp_path: Path) -> None:
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
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
        gone = await submitted(reports, "silent")
        await eventually(lambda: gone.status == "deleted", 20)
        assert await running.dead_letters() == []


async def test_a_submit_that_failed_is_made_again_in_a_round_of_its_own(topics: Place, tmp_path: Path) -> None:
    """One was refused and goes back by its dead letter, one waited in vain and goes back with its job; the vendor takes
    that for a new one, although it knows repetitions."""

    async def on_submit(reports: Reports, report: Report) -> None:
        if [one.input["month"] for one in reports.reports.values()].count("expired") == 2:
            assert await reports.call_back(report, "succeeded") == 202

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
        reports.refusals = [400]
        refused = await invoke(running, "acme", "refused")
        assert (await running.ended(refused))["status"] == "failed"
        [letter] = await eventually(running.dead_letters, 20)
        assert (letter["reason"], letter["job_id"]) == ("refused_400", refused)
        again = await running.http.post(f"{running.gateway}/dead-letters/{letter['id']}/redrive")
        assert again.status_code == 202
        assert await reports.call_back(await submitted(reports, "refused"), "succeeded") == 202
        await running.reaches(refused, "completed", 30)

        keyed = {**INVOKE["submit"], "headers": {"Idempotency-Key": "{task.id}"}}
        expired = await invoke(running, "acme", "expired", submit=keyed, deadline="5s")
        first = await submitted(reports, "expired")
        assert (await running.ended(expired))["status"] == "failed"
        await running.control(expired, "redrive")
        await running.reaches(expired, "completed", 30)
        assert await reports.call_back(first, "failed") == 202
        for job_id in (refused, expired):
            job = await running.job(job_id)
            assert (job["counts"], job["distinct"]) == ({"completed": 4}, 5)

        async def late() -> bool:
            return await callbacks(running, expired) == [("done", "accepted"), ("failed", "late")]

        await eventually(late, 20)
        assert {one["state"] for one in await running.dead_letters()} == {"redriven"}
        assert reports.submits == 4


async def test_a_submit_answered_with_an_error_is_sent_again_only_under_a_key(topics: Place, tmp_path: Path) -> None:
    keyed = {**INVOKE["submit"], "headers": {"Idempotency-Key": "{task.id}"}}
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
        for month, submit, submits, errors in (
            ("bare", INVOKE["submit"], 1, 1),
            ("keyed", keyed, 2, 1),
            ("exhausted", keyed, 3, 3),
        ):
            before, reports.refusals = reports.submits, [500] * errors
            job_id = await invoke(running, "acme", month, submit=submit, results=None)
            report = await submitted(reports, month)

            async def waits(job_id: str = job_id) -> bool:
                [task] = await tasks(running, job_id)
                return bool(task["state"] == "waiting")

            await eventually(waits, 20)
            assert await reports.call_back(report, "succeeded") == 202
            assert (await running.ended(job_id))["status"] == "completed"
            assert (month, reports.submits - before) == (month, submits)
        assert await running.dead_letters() == []
