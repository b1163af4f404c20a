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
from tests.end_to_end.test_invoke import INVOKE, OUTCOME, callbacks, tasks
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


STYLES: dict[str, dict[str, Any]] = {
    "none": {"style": "none"},
    "offset": {"style": "offset", "size": 2, "total": "body.total"},
    "walk": {"style": "offset", "size": 2},
    "page": {"style": "page", "size": 2, "total": "body.total"},
    "cursor": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    "keyset": {"style": "keyset", "field": "id", "into": {"query": "since"}, "size": 2},
    "next": {"style": "next", "next": "body.url"},
    "auto": {"style": "auto"},
}


@pytest.mark.timeout(300)
async def test_x_results_in_every_style(topics: Place, tmp_path: Path) -> None:
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
        jobs = {}
        for style, pages in STYLES.items():
            results = {"request": {"path": "/reports/{vendor_job}/rows"}, "pages": pages}
            try:
                jobs[style] = await invoke(running, "acme", style, results=results)
            except Exception as e:
                print("SUBMIT", style, e)
        for style in jobs:
            report = await eventually(partial(of, reports, style), 30)
            await reports.call_back(report, "succeeded")
        for style, job_id in jobs.items():
            job = await running.ended(job_id)
            print("STYLE", style, job["status"], job["distinct"], job["counts"], job["reason"], job["note"])
        print(await running.dead_letters())


@pytest.mark.timeout(300)
async def test_x_submits(topics: Place, tmp_path: Path) -> None:
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, "acme")
        # heartbeat missed
        j = {}
        j["beatless"] = await invoke(running, "acme", "beatless", heartbeat="2s")
        j["beating"] = await invoke(running, "acme", "beating", heartbeat="2s")
        r = await eventually(partial(of, reports, "beating"), 30)
        import asyncio

        for _ in range(5):
            await asyncio.sleep(1)
            assert await reports.call_back(r, "running") == 202
        await reports.call_back(r, "succeeded")
        for n in ("beatless", "beating"):
            job = await running.ended(j[n])
            print(
                "HB",
                n,
                job["status"],
                job["reason"],
                job["failures"],
                await tasks(running, j[n]),
                await callbacks(running, j[n]),
                of(reports, n).status,
            )
        # refused submit, mended, redriven by its letter
        reports.refusals = [400]
        j["refused"] = await invoke(running, "acme", "refused")
        job = await running.ended(j["refused"])
        print("REFUSED", job["status"], job["reason"], job["failures"])
        [letter] = await eventually(running.dead_letters, 20)
        print(letter)
        a = await running.http.post(f"{running.gateway}/dead-letters/{letter['id']}/redrive")
        print(a.status_code, a.text)
        r = await eventually(partial(of, reports, "refused"), 30)
        assert await reports.call_back(r, "succeeded") == 202
        await running.reaches(j["refused"], "completed")
        job = await running.job(j["refused"])
        print("REDRIVEN", job["status"], job["counts"], job["distinct"], await callbacks(running, j["refused"]))
        # 500 without key
        reports.refusals = [500]
        n = reports.submits
        j["five"] = await invoke(running, "acme", "five", results=None)
        r = await eventually(partial(of, reports, "five"), 30)

        async def waits():
            [t] = await tasks(running, j["five"])
            return t["state"] == "waiting" and t["reason"]

        print("500", await eventually(waits))
        await reports.call_back(r, "succeeded")
        print("500", (await running.ended(j["five"]))["status"], reports.submits - n)
        # 500 with key
        reports.refusals = [500]
        n = reports.submits
        keyed = {**INVOKE["submit"], "headers": {"Idempotency-Key": "{task.id}"}}
        j["keyed"] = await invoke(running, "acme", "keyed", submit=keyed)
        r = await eventually(partial(of, reports, "keyed"), 30)
        await eventually(lambda: reports.submits - n == 2)
        await reports.call_back(r, "failed")
        job = await running.ended(j["keyed"])
        print("KEYED", job["status"], job["reason"], reports.submits - n, len(reports.by_key))
        # redrive of a failed keyed one
        a = await running.http.post(f"{running.gateway}/jobs/{j['keyed']}/redrive")
        print("KEYED redrive", a.status_code, a.text)
        await eventually(lambda: reports.submits - n == 3)
        print("KEYED redrive same report?", len([x for x in reports.reports.values() if x.input["month"] == "keyed"]))
        # keyed, exhausted by 500
        reports.refusals = [500, 500, 500]
        j["exhausted"] = await invoke(running, "acme", "exhausted", submit=keyed)
        r = await eventually(partial(of, reports, "exhausted"), 30)

        async def ex():
            [t] = await tasks(running, j["exhausted"])
            print(t)
            return (t["state"] in ("waiting", "dead", "failed") and len(t["attempts"]) == 3) and (
                t["state"],
                t["reason"],
            )

        print("EXHAUSTED", await eventually(ex, 3))
        print(await running.dead_letters())
        # status with own done/failed
        status = {
            "request": {"path": "/reports/{vendor_job}"},
            "after": "200ms",
            "every": "1s",
            "done": "body.status == 'succeeded'",
            "failed": "body.status == 'broken'",
        }
        j["status"] = await invoke(running, "acme", "status", submit=SILENT, status=status)
        r = await eventually(partial(of, reports, "status"), 30)
        r.status = "broken"
        job = await running.ended(j["status"])
        print("STATUS", job["status"], job["reason"], await tasks(running, j["status"]))
        # expired and redriven
        j["exp"] = await invoke(running, "acme", "exp", deadline="2s")
        job = await running.ended(j["exp"])
        r = of(reports, "exp")
        first = r.id
        print("EXP", job["status"])
        a = await running.http.post(f"{running.gateway}/jobs/{j['exp']}/redrive")
        print(a.status_code)
        r2 = await eventually(
            lambda: next((x for x in reports.reports.values() if x.input["month"] == "exp" and x.id != first), None)
        )
        print(await reports.call_back(r, "succeeded"))

        async def known():
            [t] = await tasks(running, j["exp"])
            return t["vendor_job"] == r2.id

        print("second", await eventually(known))
        print(await reports.call_back(r2, "succeeded"))
        await running.reaches(j["exp"], "completed")
        print(await running.job(j["exp"]), await callbacks(running, j["exp"]))
