"""Vendors that cannot be given a URL, that sign in every scheme, that show no sign of life, that answer their submits
badly: how each job ends."""

import base64
import hmac
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.clock import utc_now
from tests.cluster import Cluster, cluster
from tests.end_to_end.test_invoke import INVOKE, OUTCOME, callbacks
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


def of(reports: Reports, month: str) -> Report | None:
    return next((one for one in reports.reports.values() if one.input["month"] == month), None)


async def call_back(running: Cluster, vendor: str, report: Report, status: str, **headers: str) -> int:
    """By the vendor's own id, with these headers or the right ones."""
    report.status = status
    body = json.dumps({"status": status, "data": {"job_id": report.id}}).encode()
    given = headers or headers_of(vendor, body)
    url = f"{running.gateway}/callbacks/{vendor}"
    return (await running.http.post(url, content=body, headers=given)).status_code


@pytest.mark.timeout(300)
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
            report = await eventually(partial(of, reports, vendor), 30)
            assert report is not None
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
