"""A poll job over HTTP, through five processes and a vendor that errs in ten percent of its answers."""

from pathlib import Path
from typing import Any

from tests.cluster import cluster
from tests.stack import Place

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


async def test_every_record_arrives_exactly_once_where_pages_are_asked_for_in_the_body(
    topics: Place, tmp_path: Path
) -> None:
    """Each search fails at first, and is made again: it changes nothing."""
    async with cluster(topics, tmp_path) as running:
        failing = [{"match": "^/search$", "fault": "error", "status": 500, "times": 1}]
        await running.configure_simulator("acme", records=950, fail_paths=failing)
        await running.apply_vendor("acme", retry=RETRY)
        for style, poll in SEARCHES.items():
            table = f"by_{style}"
            document = {"vendor": "acme", "poll": {**poll, "records": {"key": "id"}}}
            job_id = await running.submit({**document, "sinks": [{"type": "postgres", "table": table}]})
            job = await running.ended(job_id)
            assert (job["status"], job["records"], job["distinct"]) == ("completed", 950, 950), (style, job)
            assert {int(row["key"]) for row in await running.records(table)} == set(range(1, 951)), style
        assert await running.dead_letters() == []


async def test_every_record_arrives_exactly_once_in_every_style(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator(
            "acme",
            records=3000,
            error_share=0.05,
            truncate_share=0.02,
            malformed_share=0.02,
            rate_limit_share=0.02,
            rate_limit_seconds=1,
            empty_share=0.01,
            html_share=0.01,
        )
        await running.apply_vendor("acme", retry=RETRY)
        for style, poll in STYLES.items():
            table = f"by_{style}"
            document = {"vendor": "acme", "poll": {**poll, "records": {"key": "id"}}}
            job_id = await running.submit({**document, "sinks": [{"type": "postgres", "table": table}]})
            job = await running.ended(job_id)
            assert (job["status"], job["records"], job["distinct"]) == ("completed", 3000, 3000), (style, job)
            rows = await running.records(table)
            assert {int(row["key"]) for row in rows} == set(range(1, 3001)), style
        assert await running.dead_letters() == []
