"""Vendors whose answers are not what was agreed: a job completes correctly or ends with a clear reason; it never hangs
and never loops for ever."""

from typing import Any

import pytest

from tests.support.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFSET = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 50, "total": "body.meta.total"}}
WALKED = {"style": "offset", "size": 50}
CURSOR = {
    "request": {"path": "/cursor"},
    "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}, "size": 50},
}
PAGE = {"request": {"path": "/pages"}, "pages": {"style": "page", "size": 50, "total": "body.total"}}
COUNTED = {"request": {"path": "/pages"}, "pages": {"style": "page", "size": 50, "pages": "body.pages"}}
NEXT = {"request": {"path": "/next"}, "pages": {"style": "next", "next": "body.next"}}


def sized(poll: dict[str, Any], size: int) -> dict[str, Any]:
    """The same with smaller pages."""
    return {**poll, "pages": {**poll["pages"], "size": size}}


COMPLETES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a total that is missing": (OFFSET, {"misbehaviour": {"total": "missing"}}),
    "a total of the wrong type": (OFFSET, {"misbehaviour": {"total": "wrong_type"}}),
    "a total that is too low": (OFFSET, {"misbehaviour": {"total": "too_low"}}),
    "a total that is too low for numbered pages": (PAGE, {"misbehaviour": {"total": "too_low"}}),
    "a number of pages that is too low": (COUNTED, {"misbehaviour": {"total": "too_low"}}),
    "pages smaller than asked for": (OFFSET, {"page_size_max": 20}),
    "pages that overlap": (OFFSET, {"misbehaviour": {"pages": "overlap"}}),
    "a last page that is filled up": (sized(OFFSET, 30), {"misbehaviour": {"pages": "filled"}}),
    "a last numbered page that is filled up": (sized(PAGE, 30), {"misbehaviour": {"pages": "filled"}}),
    "a list instead of an object": ({**OFFSET, "pages": WALKED}, {"misbehaviour": {"body": "array"}}),
}
PARTLY, FAILED = "completed_with_failures", "failed"
ENDS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "the same page again and again": (OFFSET, {"misbehaviour": {"pages": "repeat"}}, PARTLY, "incomplete"),
    "the same page with new cursors": (CURSOR, {"misbehaviour": {"pages": "repeat"}}, FAILED, "no_new_records"),
    "a cursor that loops": (CURSOR, {"misbehaviour": {"cursor": "loops"}}, FAILED, "cursor_loops"),
    "a cursor that does not move": (CURSOR, {"misbehaviour": {"cursor": "not_moving"}}, FAILED, "pages_repeat"),
    "a cursor that never ends": (CURSOR, {"misbehaviour": {"cursor": "never_ends"}}, FAILED, "no_new_records"),
    "HTML instead of JSON": (OFFSET, {"misbehaviour": {"body": "html"}}, FAILED, "vendor_malformed"),
    "another charset": (OFFSET, {"misbehaviour": {"body": "utf-16"}}, FAILED, "vendor_malformed"),
    "a charset that is no Unicode": (CURSOR, {"misbehaviour": {"body": "latin-1"}}, FAILED, "vendor_malformed"),
    "a bomb": (OFFSET, {"misbehaviour": {"body": "bomb"}}, FAILED, "too_large"),
    "a crowd of empty records": (NEXT, {"misbehaviour": {"body": "crowd"}}, FAILED, "too_large"),
    "a body without an end": (NEXT, {"misbehaviour": {"body": "endless"}}, FAILED, "too_large"),
    "a redirect in a circle": (NEXT, {"misbehaviour": {"body": "redirect"}}, FAILED, "refused_302"),
    "page numbers that go nowhere": (PAGE, {"misbehaviour": {"pages": "repeat"}}, PARTLY, "incomplete"),
    "a number instead of a page": (OFFSET, {"misbehaviour": {"body": "scalar"}}, FAILED, "vendor_malformed"),
    "nothing but cut JSON": (NEXT, {"malformed_share": 1.0}, FAILED, "vendor_malformed"),
    "nothing but empty answers": (NEXT, {"empty_share": 1.0}, FAILED, "vendor_malformed"),
    "a token that is refused": (NEXT, {"require_token": "secret"}, FAILED, "paging stopped at task 0: auth_failed"),
}
RETRY = {"attempts": 2, "backoff": {"base": "10ms"}}


async def run(running: Cluster, vendor: str, poll: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    await running.configure_simulator(vendor, **{"records": 400, **config})
    await running.apply_vendor(vendor, limits={"body": "1MiB"}, retry=RETRY)
    job_id = await running.submit({"vendor": vendor, "poll": {**poll, "records": {"key": "id"}}})
    return await running.ended(job_id, within_seconds=60)


async def keys(running: Cluster, source: str) -> set[int]:
    """Of all records of a source that are in the sink."""
    return {int(row["key"]) for row in await running.records() if row["source"] == source}


@pytest.mark.parametrize("answers", COMPLETES)
async def test_a_vendor_whose_records_can_all_be_read_completes_its_job(running: Cluster, answers: str) -> None:
    job = await run(running, f"good-{list(COMPLETES).index(answers)}", *COMPLETES[answers])
    assert (job["status"], job["reason"], job["distinct"]) == ("completed", "", 400), job
    assert (job["completeness"] or {}).get("expected") in (None, 400), job
    assert await keys(running, job["source"]) == set(range(1, 401))


@pytest.mark.parametrize("answers", ENDS)
async def test_a_vendor_whose_records_cannot_all_be_read_ends_its_job_with_a_reason(
    running: Cluster, answers: str
) -> None:
    poll, config, status, reason = ENDS[answers]
    job = await run(running, f"bad-{list(ENDS).index(answers)}", poll, config)
    assert job["status"] == status, job
    assert reason in f"{job['reason']} {job.get('failures')}", job
    assert not (job["completeness"] or {}).get("complete"), job


async def test_a_total_that_keeps_growing_is_followed_and_noted(running: Cluster) -> None:
    job = await run(running, "grows", OFFSET, {"misbehaviour": {"total": "grows"}})
    assert (job["status"], "keeps growing" in job["note"]) == (PARTLY, True), job
    assert job["completeness"]["expected"] > job["distinct"] > 1400, job
    assert await keys(running, job["source"]) == set(range(1, job["distinct"] + 1))


async def test_a_total_that_shrinks_is_noted_and_leaves_completeness_open(running: Cluster) -> None:
    job = await run(running, "shrinks", OFFSET, {"records": 100, "misbehaviour": {"total": "shrinks"}})
    assert (job["status"], job["reason"], "went down from 100 to 50" in job["note"]) == ("completed", "", True), job
    assert job["completeness"] == {"expected": 50, "distinct": 50, "complete": None}, job
    assert await keys(running, job["source"]) == set(range(1, 51))


@pytest.mark.parametrize(("style", "poll"), [("offset", OFFSET), ("page", PAGE)])
async def test_a_total_that_only_later_pages_disprove_is_noted_and_leaves_completeness_open(
    running: Cluster, style: str, poll: dict[str, Any]
) -> None:
    job = await run(running, f"low-{style}", sized(poll, 30), {"misbehaviour": {"total": "too_low"}})
    assert (job["status"], job["reason"]) == ("completed", ""), job
    assert job["note"] == "the vendor tells of 40 items and has sent 60; pages are read until there are no more", job
    assert job["completeness"] == {"expected": 40, "distinct": 400, "complete": None}, job
    assert await keys(running, job["source"]) == set(range(1, 401))


BROKEN = {"records": 400, "page_size_max": 50, "fail_paths": [{"match": "offset=150(&|$)", "status": 200}]}
STYLES = {"chained": NEXT, "planned": OFFSET, "walked": {**OFFSET, "pages": WALKED}}


@pytest.mark.parametrize("style", STYLES)
async def test_an_error_in_the_place_of_a_page_is_no_record_and_is_fetched_again(running: Cluster, style: str) -> None:
    """With status 200. Without a key of their own, records of any form would be stored."""
    await running.configure_simulator(style, **BROKEN)
    await running.apply_vendor(style, retry=RETRY)
    job_id = await running.submit({"vendor": style, "poll": STYLES[style]})
    job = await running.ended(job_id)
    assert (job["status"], "vendor_malformed" in str(job)) == ("failed", True), str(job)
    await running.configure_simulator(style, records=400, page_size_max=50)
    await running.control(job_id, "redrive")
    await running.reaches(job_id, "completed")
    assert await keys(running, job["source"]) == set(range(1, 401))
