"""What docs/specification.md says of polling, sentence by sentence, with five processes and a vendor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.stack import Place

RECORDS = 950
WALKED = {"style": "offset", "size": 100}
BY_OFFSET = {"request": {"path": "/items"}, "pages": {**WALKED, "total": "body.meta.total"}}
KEYSET = {"style": "keyset", "field": "id", "into": {"query": "after_id"}, "size": 100}
SECRET = "ACME_TEST_TOKEN"
SELECTED = "body.{name}[?status == 'sent']"

STYLES: dict[str, dict[str, Any]] = {
    "offset, walked": {"request": {"path": "/items"}, "pages": WALKED},
    "offset, planned": {
        "request": {"path": "/items"},
        "pages": {**WALKED, "plan": {"path": "/items/metadata", "total": "body.total", "size": "body.size"}},
    },
    "pages, told how many": {"request": {"path": "/pages"}, "pages": {"style": "page", "pages": "body.pages"}},
    "pages, walked": {"request": {"path": "/pages"}, "pages": {"style": "page"}},
    "keyset": {"request": {"path": "/keyset"}, "pages": KEYSET},
    "link": {"request": {"path": "/link", "query": {"per_page": 100}}, "pages": {"style": "link"}},
    "auto, link": {"request": {"path": "/link"}},
    "auto, page": {"request": {"path": "/pages"}},
    "auto, cursor": {"request": {"path": "/cursor"}},
    "auto, next": {"request": {"path": "/next"}},
}


async def run(running: Cluster, poll: dict[str, Any], **more: Any) -> dict[str, Any]:
    job_id = await running.submit({"vendor": "acme", "poll": poll, **more})
    return await running.ended(job_id)


async def has_styles(running: Cluster) -> None:
    for style, poll in STYLES.items():
        job = await run(running, {**poll, "records": {"key": "id"}})
        assert (job["status"], job["records"], job["distinct"]) == ("completed", RECORDS, RECORDS), (style, job)
    job = await run(running, {"request": {"path": "/keyset"}})
    assert job["reason"].startswith("paging_unknown: body.has_more says that there is more"), job
    job = await run(running, {"request": {"path": "/items/7"}, "pages": {"style": "none"}})
    assert (job["status"], job["distinct"]) == ("completed", 1)


async def selects(running: Cluster) -> None:
    """What is selected from the pages changes nothing of how they are walked."""
    counts = set()
    for name, path, pages in (
        ("items", "/items", WALKED),
        ("items", "/items", BY_OFFSET["pages"]),
        ("data", "/keyset", KEYSET),
        ("data", "/pages", {"style": "page"}),
    ):
        records = {"select": SELECTED.format(name=name), "key": "id"}
        job = await run(running, {"request": {"path": path}, "pages": pages, "records": records})
        assert job["status"] == "completed", job
        counts.add(job["distinct"])
    assert len(counts) == 1
    assert 100 < counts.pop() < RECORDS


async def tolerates(running: Cluster) -> None:
    """So many failed tasks do not fail a job, whichever they are."""
    for offset in (300, 900):
        failing = [{"match": f"offset={offset}&", "fault": "error", "status": 500}]
        await running.configure_simulator("acme", records=RECORDS, fail_paths=failing)
        for tolerate, status in (("5%", "failed"), ("10%", "completed_with_failures")):
            job = await run(running, BY_OFFSET, tolerate=tolerate)
            assert (job["status"], job["reason"]) == (status, "1 of 10 tasks failed"), (offset, tolerate, job)
    await running.configure_simulator("acme", records=RECORDS)


async def sinks(running: Cluster) -> None:
    """Several tables, or none."""
    tables = [{"type": "postgres", "table": "one"}, {"type": "postgres", "table": "two"}]
    for where in (tables, []):
        job = await run(running, BY_OFFSET, sinks=where)
        assert (job["status"], job["distinct"]) == ("completed", RECORDS), job
    assert [len(await running.records(table)) for table in ("one", "two")] == [RECORDS, RECORDS]


async def decides_by_rule(running: Cluster) -> None:
    """The first rule that holds decides, over status, headers or body."""
    last = {"match": "offset=900&", "fault": "error", "status": 404}
    await running.configure_simulator("acme", records=RECORDS, fail_paths=[last])
    rules = [
        {"when": "status == `404`", "is": "empty"},
        {"when": "headers.\"content-type\" == 'text/html'", "is": "retry"},
        {"when": "body.meta.total == `0`", "is": "fail"},
    ]
    await running.apply_vendor("acme", retry={"attempts": 2, "backoff": {"base": "10ms"}}, outcomes=rules)
    job = await run(running, BY_OFFSET)
    assert (job["status"], job["distinct"]) == ("completed_with_failures", 900), job
    await running.configure_simulator("acme", records=0)
    job = await run(running, BY_OFFSET)
    assert "outcome_rule_200" in job["reason"], job


async def guards(running: Cluster) -> None:
    """Own networks are out of reach of URLs, and of vendors that do not say otherwise."""
    answer = await running.http.post(f"{running.gateway}/jobs", json={"url": f"{running.simulator}/acme/items"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
    await running.apply_vendor("acme", network={})
    assert "ssrf_blocked" in (await run(running, BY_OFFSET))["reason"]


async def fills_parameters(running: Cluster) -> None:
    """A source's placeholders stand for the parameters of its jobs, in path, query and headers."""
    await running.configure_simulator("acme", records=RECORDS)
    await running.apply_vendor("acme")
    source = {
        "vendor": "acme",
        "poll": {
            "request": {
                "path": "/items/{parameters.id}",
                "headers": {"X-Why": "{parameters.why}"},
                "query": {"a": ["{parameters.id}", "b"]},
            },
            "pages": {"style": "none"},
            "records": {"key": "id"},
        },
        "sinks": [{"type": "postgres", "table": "one_item"}],
    }
    answer = await running.http.put(f"{running.gateway}/sources/item", json=source)
    assert answer.status_code == 201, answer.text
    job_id = await running.submit({"source": "item", "parameters": {"id": 12, "why": "to see"}})
    assert (await running.ended(job_id))["status"] == "completed"
    assert [row["key"] for row in await running.records("one_item")] == ["12"]
    job_id = await running.submit({"source": "item", "parameters": {"id": "..", "why": ""}})
    assert (await running.ended(job_id))["status"] == "rejected"
    refused = await running.http.post(f"{running.gateway}/jobs", json={"source": "item", "parameters": {"id": 12}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/parameters")


async def logs_in(running: Cluster) -> None:
    """With a secret that is named and never told."""
    await running.configure_simulator("acme", records=RECORDS, require_token="s3cret")
    await running.apply_vendor("acme")
    assert "auth_failed" in (await run(running, BY_OFFSET))["reason"]
    await running.apply_vendor("acme", auth={"type": "bearer", "token": f"env:{SECRET}"})
    assert (await run(running, BY_OFFSET))["status"] == "completed"
    await running.apply_vendor("acme", auth={"type": "bearer", "token": "env:NOT_THERE"})
    assert "secret_missing" in (await run(running, BY_OFFSET))["reason"]


async def keeps_payloads(running: Cluster, payloads: Path) -> None:
    """Raw payloads for as long as it is said."""
    await running.configure_simulator("acme", records=RECORDS)
    await running.apply_vendor("acme")
    kept, gone = [await run(running, BY_OFFSET, payloads={"keep": keep}) for keep in ("7d", "0s")]
    await eventually(lambda: not list(payloads.rglob(f"{gone['id']}/*")), 20)
    assert len(list(payloads.rglob(f"{kept['id']}/*"))) == 10


async def keeps_contracts(running: Cluster) -> None:
    """Every window holds; and a job of high priority does not wait for the others."""
    windows = [{"requests": 20, "per": "1s", "burst": 5}, {"requests": 40, "per": "5s", "burst": 40}]
    contract = [{"requests": 20, "per_seconds": 1, "burst": 5}, {"requests": 40, "per_seconds": 5, "burst": 40}]
    await running.configure_simulator("strict", records=60 * 20, page_size_max=20, contract=contract)
    await running.apply_vendor("strict", budget={"windows": windows})
    poll = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 20, "total": "body.meta.total"}}
    low = await running.submit({"vendor": "strict", "poll": poll, "priority": "low"})
    first = {**poll, "request": {"path": "/items/1"}, "pages": {"style": "none"}}
    high = await running.ended(await running.submit({"vendor": "strict", "poll": first, "priority": "high"}))
    assert (high["status"], (await running.job(low))["status"]) == ("completed", "running")
    assert (await running.ended(low))["distinct"] == 60 * 20
    truth = await running.truth("strict")
    assert set(truth["by_status"]) == {"200"}, truth["by_status"]


STEPS: list[Callable[[Cluster], Any]] = [
    has_styles,
    selects,
    tolerates,
    sinks,
    decides_by_rule,
    guards,
    fills_parameters,
    logs_in,
    keeps_contracts,
]


async def test_polling_is_as_it_is_written(topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "s3cret")
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=RECORDS)
        await running.apply_vendor("acme", retry={"attempts": 2, "backoff": {"base": "10ms"}})
        for step in STEPS:
            await step(running)
        await keeps_payloads(running, tmp_path / "payloads")
