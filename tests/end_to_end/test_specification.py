"""What docs/specification.md says of polling, sentence by sentence, with five processes and their vendors."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDS = 950
WALKED = {"style": "offset", "size": 100}
BY_OFFSET = {"request": {"path": "/items"}, "pages": {**WALKED, "total": "body.meta.total"}}
KEYSET = {"style": "keyset", "field": "id", "into": {"query": "after_id"}, "size": 100}
SECRET = "ACME_TEST_TOKEN"
SELECTED = "body.{name}[?status == 'sent']"
RETRY = {"attempts": 2, "backoff": {"base": "10ms"}}

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


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {SECRET: "s3cret"}


async def play(running: Cluster, vendor: str, **config: Any) -> None:
    """Let the simulator play a vendor that nothing else of these tests uses."""
    await running.configure_simulator(vendor, **{"records": RECORDS, **config})
    await running.apply_vendor(vendor, retry=RETRY)


async def run(running: Cluster, vendor: str, poll: dict[str, Any], **more: Any) -> dict[str, Any]:
    job_id = await running.submit({"vendor": vendor, "poll": poll, **more})
    return await running.ended(job_id)


@pytest.mark.parametrize("style", STYLES)
async def test_every_style_of_pages_is_walked_to_its_end(running: Cluster, style: str) -> None:
    vendor = f"style-{list(STYLES).index(style)}"
    await play(running, vendor)
    job = await run(running, vendor, {**STYLES[style], "records": {"key": "id"}})
    assert (job["status"], job["records"], job["distinct"]) == ("completed", RECORDS, RECORDS), job


async def test_an_answer_without_pages_is_its_only_page(running: Cluster) -> None:
    await play(running, "single")
    job = await run(running, "single", {"request": {"path": "/items/7"}, "pages": {"style": "none"}})
    assert (job["status"], job["distinct"]) == ("completed", 1), job


async def test_pages_that_cannot_be_detected_fail_their_job_with_the_reason(running: Cluster) -> None:
    await play(running, "undetected")
    job = await run(running, "undetected", {"request": {"path": "/keyset"}})
    assert job["reason"].startswith("paging_unknown: body.has_more says that there is more"), job


async def test_what_is_selected_from_pages_does_not_change_how_they_are_walked(running: Cluster) -> None:
    await play(running, "selected")
    counts = set()
    for name, path, pages in (
        ("items", "/items", WALKED),
        ("items", "/items", BY_OFFSET["pages"]),
        ("data", "/keyset", KEYSET),
        ("data", "/pages", {"style": "page"}),
    ):
        records = {"select": SELECTED.format(name=name), "key": "id"}
        job = await run(running, "selected", {"request": {"path": path}, "pages": pages, "records": records})
        assert job["status"] == "completed", job
        counts.add(job["distinct"])
    assert len(counts) == 1
    assert 100 < counts.pop() < RECORDS


@pytest.mark.parametrize("offset", [300, 900])
@pytest.mark.parametrize(("tolerate", "status"), [("5%", "failed"), ("10%", "completed_with_failures")])
async def test_a_job_fails_when_more_of_its_tasks_fail_than_it_tolerates(
    running: Cluster, offset: int, tolerate: str, status: str
) -> None:
    """Whichever tasks they are."""
    vendor = f"fails-{offset}-{status.replace('_', '-')}"
    await play(running, vendor, fail_paths=[{"match": f"offset={offset}&", "fault": "error", "status": 500}])
    job = await run(running, vendor, BY_OFFSET, tolerate=tolerate)
    assert (job["status"], job["reason"]) == (status, "1 of 10 tasks failed"), job


@pytest.mark.parametrize("tables", [["one", "two"], []], ids=["two", "none"])
async def test_records_go_to_each_table_of_their_sinks_or_to_none(running: Cluster, tables: list[str]) -> None:
    vendor = f"sinks-{len(tables)}"
    await play(running, vendor)
    sinks = [{"type": "postgres", "table": table} for table in tables]
    job = await run(running, vendor, BY_OFFSET, sinks=sinks)
    assert (job["status"], job["distinct"]) == ("completed", RECORDS), job
    assert [len(await running.records(table)) for table in tables] == [RECORDS] * len(tables)


async def test_the_first_rule_that_holds_decides_an_outcome(running: Cluster) -> None:
    """Over status, headers or body."""
    last = {"match": "offset=900&", "fault": "error", "status": 404}
    await running.configure_simulator("ruled", records=RECORDS, fail_paths=[last])
    rules = [
        {"when": "status == `404`", "is": "empty"},
        {"when": "headers.\"content-type\" == 'text/html'", "is": "retry"},
        {"when": "body.meta.total == `0`", "is": "fail"},
    ]
    await running.apply_vendor("ruled", retry=RETRY, outcomes=rules)
    job = await run(running, "ruled", BY_OFFSET)
    assert (job["status"], job["distinct"]) == ("completed_with_failures", 900), job
    await running.configure_simulator("ruled", records=0)
    job = await run(running, "ruled", BY_OFFSET)
    assert "outcome_rule_200" in job["reason"], job


async def test_private_addresses_are_refused_in_urls_and_to_vendors_that_do_not_allow_them(running: Cluster) -> None:
    answer = await running.http.post(f"{running.gateway}/jobs", json={"url": f"{running.simulator}/acme/items"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
    vendor = {"base_url": f"{running.simulator}/private"}
    answer = await running.http.put(f"{running.gateway}/vendors/private", json=vendor)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/base_url")


async def test_the_parameters_of_a_job_fill_the_placeholders_of_its_source(running: Cluster) -> None:
    """In path, query and headers."""
    await play(running, "filled")
    source = {
        "vendor": "filled",
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


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ({}, "auth_failed"),
        ({"auth": {"type": "bearer", "token": f"env:{SECRET}"}}, ""),
        ({"auth": {"type": "bearer", "token": "env:NOT_THERE"}}, "secret_missing"),
    ],
    ids=["none", "named", "not set"],
)
async def test_a_vendor_is_called_with_the_secret_that_its_auth_names(
    running: Cluster, auth: dict[str, Any], reason: str
) -> None:
    vendor = f"token-{reason.replace('_', '-') or 'good'}"
    await running.configure_simulator(vendor, records=RECORDS, require_token="s3cret")
    await running.apply_vendor(vendor, **auth)
    job = await run(running, vendor, BY_OFFSET)
    assert (job["status"] == "completed", reason in job["reason"]) == (not reason, True), job


async def test_every_window_of_a_budget_holds_and_a_job_of_high_priority_goes_first(running: Cluster) -> None:
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


async def test_payloads_are_kept_for_as_long_as_their_job_says(running: Cluster, root: Path) -> None:
    await play(running, "keeps")
    kept, gone = [await run(running, "keeps", BY_OFFSET, payloads={"keep": keep}) for keep in ("7d", "0s")]
    payloads = root / "payloads"
    await eventually(lambda: not list(payloads.rglob(f"{gone['id']}/*")), 20)
    assert len(list(payloads.rglob(f"{kept['id']}/*"))) == 10
