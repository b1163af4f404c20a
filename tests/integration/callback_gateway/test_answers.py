"""What a vendor answered to a job of the kind request, handed on over HTTP."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from tests.integration.callback_gateway.conftest import ServeEdge
from tests.integration.callback_gateway.problems import check_problem


async def test_the_answer_of_a_vendor_is_handed_on_without_what_belongs_to_its_own_connection(
    serve_edge: ServeEdge, producer: Producer
) -> None:
    edge = await serve_edge(producer)
    job_id = new_id()
    told = {"etag": '"7"', "x-name": "\u4e2d", "content-length": "999", "content-encoding": "gzip", "date": "then"}
    answer = orjson.dumps({"status": 200, "headers": told, "reason": ""})
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, answer, ended_at) VALUES ($1, 'completed', 'request', $2, now())"
        await tx.execute(wanted, job_id, answer)
    found = await edge.http.get(f"/jobs/{job_id}/answer")
    assert (found.status_code, found.content) == (200, b"")
    assert (found.headers["etag"], found.headers["x-name"]) == ('"7"', "?")
    assert "content-encoding" not in found.headers
    assert found.headers["date"] != "then"


@pytest.mark.parametrize(
    ("kind", "state", "status"),
    [
        ("request", "cancelled", 502),
        ("request", "rejected", 422),
        ("poll", "completed", 409),
        ("poll", "cancelled", 409),
    ],
)
async def test_whoever_asks_for_an_answer_that_never_comes_is_told(
    serve_edge: ServeEdge, producer: Producer, kind: str, state: str, status: int
) -> None:
    edge, job_id = await serve_edge(producer), new_id()
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, ended_at) VALUES ($1, $2, $3, now())"
        await tx.execute(wanted, job_id, state, kind)
    check_problem(await edge.http.get(f"/jobs/{job_id}/answer"), status)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("attempts_exhausted: 6 attempts, the last one: timeout: the vendor sent nothing for too long", 504),
        ("attempts_exhausted: 6 attempts, the last one: connect_failed: the proxy refuses to connect", 502),
        ("outcome_unknown: timeout: the vendor sent nothing for too long", 502),
    ],
)
async def test_a_time_out_is_told_apart_from_an_outcome_that_nobody_knows(
    serve_edge: ServeEdge, producer: Producer, reason: str, status: int
) -> None:
    edge, job_id = await serve_edge(producer), new_id()
    answer = orjson.dumps({"status": None, "headers": {}, "reason": reason})
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, answer, ended_at) VALUES ($1, 'failed', 'request', $2, now())"
        await tx.execute(wanted, job_id, answer)
    found = await edge.http.get(f"/jobs/{job_id}/answer")
    check_problem(found, status)
    assert reason in found.json()["detail"]


@pytest.mark.parametrize("status", [101, 600, 999])
async def test_a_status_that_cannot_be_handed_on_is_in_the_detail_of_a_problem(
    serve_edge: ServeEdge, producer: Producer, payloads: Path, status: int
) -> None:
    """The connection stays whole: a client whose connection is cut would make the vendor's call again."""
    edge, job_id = await serve_edge(producer), new_id()
    kept = await PayloadStore(payloads.as_uri()).put(job_id, "0-0-0-1", b"busy", media_type="text/plain")
    answer = orjson.dumps({"status": status, "headers": {}, "reason": "", "body": kept.model_dump(mode="json")})
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, answer, ended_at) VALUES ($1, 'failed', 'request', $2, now())"
        await tx.execute(wanted, job_id, answer)
    found = await edge.http.get(f"/jobs/{job_id}/answer")
    check_problem(found, 502)
    assert (str(status) in found.json()["detail"], found.headers["location"]) == (True, f"/jobs/{job_id}")


@pytest.mark.parametrize("page", [b"", b"<script>fetch('/schedules')</script>"])
async def test_a_vendors_page_runs_nothing_at_the_address_of_the_gateway(
    serve_edge: ServeEdge, producer: Producer, payloads: Path, page: bytes
) -> None:
    """Whatever its own headers say of that."""
    edge, job_id = await serve_edge(producer), new_id()
    told = {"content-security-policy": "default-src *", "x-content-type-options": "no", "sluice-job": "another"}
    answer: dict[str, Any] = {"status": 200, "headers": told, "reason": ""}
    if page:
        kept = await PayloadStore(payloads.as_uri()).put(job_id, "0-0-0-1", page, media_type="text/html")
        answer["body"] = kept.model_dump(mode="json")
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, answer, ended_at) VALUES ($1, 'completed', 'request', $2, now())"
        await tx.execute(wanted, job_id, orjson.dumps(answer))
    found = await edge.http.get(f"/jobs/{job_id}/answer")
    assert (found.status_code, found.content) == (200, page)
    assert found.headers.get_list("content-security-policy") == ["sandbox"]
    assert found.headers.get_list("x-content-type-options") == ["nosniff"]
    assert found.headers.get_list("sluice-job") == [str(job_id)]


@pytest.mark.parametrize("media_type", ["text/plain; name=\u4e2d", "text/csv"])
async def test_an_answer_has_the_vendors_media_type_and_no_other(
    serve_edge: ServeEdge, producer: Producer, payloads: Path, media_type: str
) -> None:
    """Neither a letter that headers cannot have nor a charset that the vendor did not tell."""
    edge, job_id = await serve_edge(producer), new_id()
    kept = await PayloadStore(payloads.as_uri()).put(job_id, "0-0-0-1", b"a;b", media_type=media_type)
    answer = {"status": 200, "headers": {}, "reason": "", "body": kept.model_dump(mode="json")}
    async with edge.database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, kind, answer, ended_at) VALUES ($1, 'completed', 'request', $2, now())"
        await tx.execute(wanted, job_id, orjson.dumps(answer))
    found = await edge.http.get(f"/jobs/{job_id}/answer")
    assert (found.status_code, found.content) == (200, b"a;b")
    assert found.headers["content-type"] == media_type.replace("\u4e2d", "?")
