"""Vendors whose answers are not what was agreed: a job completes correctly or ends with a clear reason; it never hangs
and never loops for ever."""

from pathlib import Path
from typing import Any

from tests.cluster import Cluster, cluster
from tests.stack import Place

OFFSET = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 50, "total": "body.meta.total"}}
WALKED = {"style": "offset", "size": 50}
CURSOR = {
    "request": {"path": "/cursor"},
    "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}, "size": 50},
}
PAGE = {"request": {"path": "/pages"}, "pages": {"style": "page", "size": 50, "total": "body.total"}}
NEXT = {"request": {"path": "/next"}, "pages": {"style": "next", "next": "body.next"}}

COMPLETES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a total that is missing", OFFSET, {"misbehaviour": {"total": "missing"}}),
    ("a total that grows", OFFSET, {"misbehaviour": {"total": "grows"}}),
    ("a total of the wrong type", OFFSET, {"misbehaviour": {"total": "wrong_type"}}),
    ("pages smaller than asked for", OFFSET, {"page_size_max": 20}),
    ("pages that overlap", OFFSET, {"misbehaviour": {"pages": "overlap"}}),
    ("a list instead of an object", {**OFFSET, "pages": WALKED}, {"misbehaviour": {"body": "array"}}),
]
ENDS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("a total that shrinks", OFFSET, {"misbehaviour": {"total": "shrinks"}}, ""),
    ("the same page again and again", OFFSET, {"misbehaviour": {"pages": "repeat"}}, "incomplete"),
    ("a cursor that loops", CURSOR, {"misbehaviour": {"cursor": "loops"}}, "cursor_loops"),
    ("a cursor that does not move", CURSOR, {"misbehaviour": {"cursor": "not_moving"}}, "pages_repeat"),
    ("a cursor that never ends", CURSOR, {"misbehaviour": {"cursor": "never_ends"}}, "no_new_records"),
    ("HTML instead of JSON", OFFSET, {"misbehaviour": {"body": "html"}}, "vendor_malformed"),
    ("another charset", OFFSET, {"misbehaviour": {"body": "utf-16"}}, "vendor_malformed"),
    ("a charset that is no Unicode", CURSOR, {"misbehaviour": {"body": "latin-1"}}, "vendor_malformed"),
    ("a bomb", OFFSET, {"misbehaviour": {"body": "bomb"}}, "too_large"),
    ("a crowd of empty records", NEXT, {"misbehaviour": {"body": "crowd"}}, "too_large"),
    ("a body without an end", NEXT, {"misbehaviour": {"body": "endless"}}, "too_large"),
    ("a redirect in a circle", NEXT, {"misbehaviour": {"body": "redirect"}}, "refused_302"),
    ("page numbers that go nowhere", PAGE, {"misbehaviour": {"pages": "repeat"}}, "incomplete"),
    ("a number instead of a page", OFFSET, {"misbehaviour": {"body": "scalar"}}, ""),
    ("nothing but cut JSON", NEXT, {"malformed_share": 1.0}, "vendor_malformed"),
    ("nothing but empty answers", NEXT, {"empty_share": 1.0}, "vendor_malformed"),
    ("a token that is refused", NEXT, {"require_token": "secret"}, "paging stopped at task 0: auth_failed"),
]
RETRY = {"attempts": 2, "backoff": {"base": "10ms"}}
FINAL = {"completed", "completed_with_failures", "failed"}


async def run(running: Cluster, number: int, poll: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    vendor = f"vendor-{number}"
    await running.configure_simulator(vendor, records=400, **config)
    await running.apply_vendor(vendor, limits={"body": "1MiB"}, retry=RETRY)
    job_id = await running.submit({"vendor": vendor, "poll": {**poll, "records": {"key": "id"}}})
    return await running.ended(job_id, within_seconds=60)


async def test_whatever_a_vendor_answers_the_job_ends(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        for number, (what, poll, config) in enumerate(COMPLETES):
            job = await run(running, number, poll, config)
            assert job["distinct"] >= 400, (what, job)
            assert job["status"] in ("completed", "completed_with_failures"), (what, job)
        for number, (what, poll, config, reason) in enumerate(ENDS, 100):
            job = await run(running, number, poll, config)
            assert job["status"] in FINAL, (what, job)
            assert job["status"] == "completed" or job["reason"], (what, job)
            assert reason in f"{job['reason']} {job.get('failures')}", (what, job)
