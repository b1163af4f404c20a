"""A poll job over HTTP, through five processes and a vendor that errs in ten percent of its answers."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.contracts import Contract

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = {"backoff": {"base": "50ms", "cap": "1s"}, "attempts": 10}
STYLES: dict[str, dict[str, Any]] = {
    "offset": {"request": {"path": "/items"}, "pages": {"style": "offset", "total": "body.meta.total"}},
    "page": {"request": {"path": "/pages"}, "pages": {"style": "page", "total": "body.total"}},
    "cursor": {
        "request": {"path": "/cursor"},
        "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}, "size": 100},
    },
    "next": {"request": {"path": "/next"}, "pages": {"style": "next", "next": "body.next"}},
    "auto": {"request": {"path": "/items"}},
}


SEARCH = {"method": "POST", "path": "/search"}
SEARCHES: dict[str, dict[str, Any]] = {
    "offset": {
        "request": {**SEARCH, "json": {"offset": "{page.offset}", "limit": "{page.size}"}},
        "pages": {"style": "offset", "size": 100, "total": "body.meta.total"},
    },
    "cursor": {
        "request": {**SEARCH, "json": {"cursor": "{page.cursor}", "limit": "{page.size}"}},
        "pages": {"style": "cursor", "next": "body.next", "size": 100},
    },
    "keyset": {
        "request": {**SEARCH, "json": {"after_id": "{page.cursor}", "limit": "{page.size}"}},
        "pages": {"style": "keyset", "field": "id", "size": 100},
    },
}


ERRS = {
    "error_share": 0.05,
    "truncate_share": 0.02,
    "malformed_share": 0.02,
    "rate_limit_share": 0.02,
    "rate_limit_seconds": 1,
    "empty_share": 0.01,
    "html_share": 0.01,
}


CONTRACT = Contract(per_second=25, calls=60, seconds=3, in_flight=10)
"""Without it, all pages of a job but the first would be asked for within a second."""


async def check(running: Cluster, vendor: str, poll: dict[str, Any], records: int) -> None:
    """A job of this poll completes with every record, each once, and the contract is kept."""
    await running.apply_vendor(vendor, retry=RETRY, budget=CONTRACT.budget)
    table = vendor.replace("-", "_")
    document = {"vendor": vendor, "poll": {**poll, "records": {"key": "id"}}}
    job_id = await running.submit({**document, "sinks": [{"type": "postgres", "table": table}]})
    job = await running.ended(job_id)
    assert (job["status"], job["records"], job["distinct"]) == ("completed", records, records), job
    assert {int(row["key"]) for row in await running.records(table)} == set(range(1, records + 1))
    assert await running.dead_letters(job_id=job_id) == []
    await CONTRACT.assert_kept(running, vendor)


@pytest.mark.parametrize("style", SEARCHES)
async def test_every_record_arrives_exactly_once_where_pages_are_asked_for_in_the_body(
    running: Cluster, style: str
) -> None:
    """Each search fails at first, and is made again: it changes nothing."""
    failing = [{"match": "^/search$", "fault": "error", "status": 500, "times": 1}]
    await running.configure_simulator(f"search-{style}", records=950, fail_paths=failing, **CONTRACT.limits)
    await check(running, f"search-{style}", SEARCHES[style], 950)


@pytest.mark.parametrize("style", STYLES)
async def test_every_record_arrives_exactly_once_in_every_style(running: Cluster, style: str) -> None:
    await running.configure_simulator(f"errs-{style}", records=3000, **ERRS, **CONTRACT.limits)
    await check(running, f"errs-{style}", STYLES[style], 3000)
