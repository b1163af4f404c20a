"""The HTTP edge: durable before 202, idempotency decided by an index, problems that name the field; never a 5xx."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.ports import free_port
from services.callback_gateway.app import build
from services.callback_gateway.settings import Settings
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.problems import check_problem
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

JSON = {"content-type": "application/json"}
VENDOR = {"vendor": "acme", "base_url": "https://acme.example"}
JOB = {"vendor": "acme", "poll": {"request": {"path": "/items"}}}


@asynccontextmanager
async def gateway(place: Place, payloads: Path) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    async with (
        running("callback-gateway", Settings, build, place, payloads, gateway_port=port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http,
    ):

        async def answers() -> bool:
            return (await http.get("/jobs")).status_code == 200

        await eventually(answers, 20)
        yield http


async def test_a_job_is_on_its_topic_when_it_is_answered(topics: Place, payloads: Path, reader_for: ReaderFor) -> None:
    requested = await reader_for("jobs.requested")
    async with gateway(topics, payloads) as http:
        assert (await http.put("/vendors/acme", json=VENDOR)).status_code == 201
        answer = await http.post("/jobs", json=JOB)
        assert answer.status_code == 202
        job_id = answer.json()["id"]
        assert answer.headers["location"] == f"/jobs/{job_id}"
        assert (await http.get(f"/jobs/{job_id}")).json()["status"] == "requested"
        [value] = await eventually(lambda: requested.values)
        assert value == {"id": job_id, **JOB}


async def test_one_idempotency_key_is_one_job_however_many_ask_at_once(
    topics: Place, payloads: Path, reader_for: ReaderFor
) -> None:
    requested = await reader_for("jobs.requested")
    async with gateway(topics, payloads) as http:
        await http.put("/vendors/acme", json=VENDOR)
        headers = {"Idempotency-Key": "order-7"}
        answers = await asyncio.gather(*(http.post("/jobs", json=JOB, headers=headers) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        await eventually(lambda: len(requested.records) == 50)
        assert len({dict(record.headers)["ce_id"] for record in requested.records}) == 1
        other = await http.post("/jobs", json={**JOB, "tolerate": "1%"}, headers=headers)
        assert other.status_code == 422


async def test_placeholders_that_nothing_fills_are_told_at_once(topics: Place, payloads: Path) -> None:
    path = {"request": {"path": "/items/{parameters.region}"}}
    orders = {"source": "orders", "vendor": "acme", "poll": path}

    async with gateway(topics, payloads) as http:

        async def mistakes(document: dict[str, Any]) -> list[dict[str, str]]:
            answer = await http.post("/jobs", json=document)
            assert answer.status_code in (202, 422), answer.text
            found: list[dict[str, str]] = answer.json().get("errors", [])
            return found

        await http.put("/vendors/acme", json=VENDOR)
        await http.put("/sources/orders", json=orders)
        for inline in ({"poll": path}, path):
            [mistake] = await mistakes({"vendor": "acme", **inline})
            assert (
                mistake["detail"]
                == "unknown placeholder {parameters.region}; known here: none; a brace itself is written {{ or }}"
            )
            told = {"parameters": {"region": "eu"}, "notify": [{"topic": True}]}
            assert await mistakes({"vendor": "acme", **told, **inline}) == []
        assert await mistakes({"source": "orders"}) == [
            {"pointer": "/parameters", "detail": "orders needs {parameters.region}"}
        ]
        assert await mistakes({"source": "orders", "parameters": {"region": "eu"}}) == []
        await http.put("/sources/orders", json={**orders, "poll": {"request": {"path": "/items"}}})
        await eventually(lambda: _has_none(mistakes({"source": "orders"})), 10)


async def _has_none(mistakes: Awaitable[list[dict[str, str]]]) -> bool:
    return await mistakes == []


async def test_what_can_never_work_is_told_at_once(edge: Served) -> None:
    """Where it is known here: by the document, by the source that it names, or by the vendor's rules of callbacks."""
    await edge.http.put("/vendors/acme", json={**VENDOR, "callbacks": {"outcome": {"failed": "body.error"}}})
    await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": {}})
    submit = {"method": "POST", "path": "/r", "json": "{callback.url}"}
    invoke = {"submit": submit, "deadline": "1h", "abort": {"path": "/{vendor_job}"}}
    job = {"vendor": "acme", "invoke": invoke, "input": [{"a": 1}]}
    wrong = {"/invoke", "/invoke/abort/path"}
    assert await places(edge, "/jobs", {"vendor": "acme", "poll": {}, "sinks": [{"type": "topic"}]}) == {"/sinks"}
    assert await places(edge, "/jobs", {"source": "orders", "input": [{"a": 1}]}) == {"/input"}
    assert await places(edge, "/schedules", {"every": "1h", "start": job}) == {f"/start{one}" for one in wrong}
    assert await places(edge, "/jobs", job) == wrong
    reports = {"source": "reports", "vendor": "acme", "invoke": invoke}
    answer = await edge.http.put("/sources/reports", json=reports)
    assert {one["pointer"] for one in answer.json()["errors"]} == wrong
    await edge.http.put("/vendors/acme", json={**VENDOR, "callbacks": {"vendor_job": "body.id"}})
    assert (await edge.http.put("/sources/reports", json=reports)).status_code == 201


async def places(edge: Served, path: str, document: dict[str, Any]) -> set[str]:
    answer = await edge.http.post(path, json=document)
    assert answer.status_code == 422, answer.text
    return {one["pointer"] for one in answer.json()["errors"]}


async def test_a_job_that_is_told_what_to_do_is_still_of_its_kind(topics: Place, payloads: Path) -> None:
    async with gateway(topics, payloads) as http:
        await http.put("/vendors/acme", json=VENDOR)
        asked = await http.post("/jobs", json={"vendor": "acme", "request": {"path": "/items"}})
        place = asked.headers["location"]
        for action in ("pause", "resume", "cancel", "redrive"):
            answer = await http.post(f"{place}/{action}")
            assert (answer.status_code, answer.json()) == (202, asked.json())
        early = await http.get(f"{place}/answer")
        assert early.status_code == 409
        assert early.json()["detail"] == "there is no answer to a job of the kind request that is requested"


BAD: list[tuple[str, bytes, dict[str, str], int]] = [
    ("not JSON", b"{", JSON, 400),
    ("nothing", b"", JSON, 400),
    ("trailing garbage", b"{} x", JSON, 400),
    ("a byte order mark", b"\xef\xbb\xbf{}", JSON, 400),
    ("UTF-16", '{"url": "https://a.example"}'.encode("utf-16"), JSON, 400),
    ("NaN", b'{"url": NaN}', JSON, 400),
    ("nested too deep", b"[" * 100_000, JSON, 400),
    ("an array", b"[]", JSON, 422),
    ("a number", b"7", JSON, 422),
    ("an unknown field", b'{"url": "https://a.example", "pagse": 1}', JSON, 422),
    ("a private address", b'{"url": "http://127.0.0.1:9999/"}', JSON, 422),
    ("a private address as a number", b'{"url": "http://2130706433/"}', JSON, 422),
    ("a metadata address", b'{"url": "http://[::ffff:a9fe:a9fe]/"}', JSON, 422),
    ("another scheme", b'{"url": "file:///etc/passwd"}', JSON, 422),
    ("credentials in the URL", b'{"url": "http://a:b@host.example/"}', JSON, 422),
    ("an unknown vendor", b'{"vendor": "acmee", "poll": {}}', JSON, 422),
    ("a page size of nothing", b'{"vendor": "acme", "poll": {"pages": {"style": "offset", "size": 0}}}', JSON, 422),
    ("a billion records a page", b'{"vendor":"acme","poll":{"pages":{"style":"offset","size":1000000000}}}', JSON, 422),
    ("an id that is none", b'{"url": "https://a.example", "id": "x"}', JSON, 422),
    ("another media type", b"{}", {"content-type": "text/html"}, 415),
    ("no media type", b"{}", {}, 415),
    ("a compressed body", b"{}", {**JSON, "content-encoding": "gzip"}, 415),
    ("a body over the limit", b" " * (1024**2 + 1), JSON, 413),
    ("an odd idempotency key", b'{"url": "https://a.example"}', {**JSON, "idempotency-key": "k" * 300}, 400),
]


async def test_every_bad_request_is_a_problem_and_nothing_else(
    topics: Place, payloads: Path, reader_for: ReaderFor
) -> None:
    requested = await reader_for("jobs.requested")
    async with gateway(topics, payloads) as http:
        await http.put("/vendors/acme", json=VENDOR)
        for what, body, headers, status in BAD:
            answer = await http.post("/jobs", content=body, headers=headers)
            assert answer.status_code == status, (what, answer.text)
            check_problem(answer, status)
        assert not requested.records


async def test_mistakes_name_the_field_and_what_was_expected(topics: Place, payloads: Path) -> None:
    async with gateway(topics, payloads) as http:
        await http.put("/vendors/acme", json=VENDOR)
        document = {"vendor": "acme", "poll": {"pages": {"style": "offset", "size": 0, "totl": "body.total"}}}
        problem = (await http.post("/jobs", json=document)).json()
        assert problem["errors"] == [
            {"pointer": "/poll/pages/size", "detail": "must be at least 1, got 0"},
            {"pointer": "/poll/pages/totl", "detail": "unknown field; did you mean total?"},
        ]
        unknown = (await http.post("/jobs", json={**JOB, "vendor": "acmee"})).json()
        assert unknown["errors"][0]["detail"] == "no vendor is called acmee; did you mean acme?"
        for place, job in (("url", {"url": "http://[::1]/x"}), ("deliver", {"deliver": "http://127.1/x", "event": {}})):
            private = await http.post("/jobs", json=job)
            assert (private.status_code, private.json()["errors"][0]["pointer"]) == (422, f"/{place}")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/01a1fb3c-ef05-74bc-a030-158e62e26fd3", 404),
        ("GET", "/jobs/nonsense", 404),
        ("GET", "/jobs/01a1fb3c-ef05-74bc-a030-158e62e26fd3/events", 404),
        ("POST", "/jobs/01a1fb3c-ef05-74bc-a030-158e62e26fd3/cancel", 404),
        ("GET", "/vendors/nobody", 404),
        ("DELETE", "/sources/nobody", 404),
        ("GET", "/dead-letters/01a1fb3c-ef05-74bc-a030-158e62e26fd3", 404),
        ("GET", "/jobs/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/nothing/here", 404),
        ("DELETE", "/jobs", 405),
        ("TRACE", "/jobs", 405),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=100000", 422),
    ],
)
async def test_what_is_not_there_is_a_problem(
    topics: Place, payloads: Path, method: str, path: str, status: int
) -> None:
    async with gateway(topics, payloads) as http:
        check_problem(await http.request(method, path), status)


async def test_the_description_of_the_api_is_served(topics: Place, payloads: Path) -> None:
    async with gateway(topics, payloads) as http:
        document: dict[str, Any] = (await http.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert "/jobs/{job_id}/events" in document["paths"]


async def test_a_job_is_of_its_kind_from_the_beginning(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer)
    await edge.http.put("/vendors/acme", json=VENDOR)
    job = {"vendor": "acme", "request": {"path": "/items"}}
    job_id = (await edge.http.post("/jobs", json=job)).json()["id"]
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["kind"] == "request"
    assert (await edge.http.post(f"/jobs/{job_id}/cancel")).json()["kind"] == "request"


REFUSED: dict[str, set[str]] = {
    "running": set(),
    "failed": set(),
    "completed_with_failures": set(),
    "completed": {"cancel", "pause", "resume", "redrive"},
    "rejected": {"cancel", "pause", "resume", "redrive"},
    "cancelled": {"pause", "resume", "redrive"},
}


async def test_a_job_that_is_over_for_good_takes_no_orders(edge: Served) -> None:
    await edge.http.put("/vendors/acme", json=VENDOR)
    place = (await edge.http.post("/jobs", json=JOB)).headers["location"]
    for state, refused in REFUSED.items():
        async with edge.database.transaction() as tx:
            await tx.execute("UPDATE jobs SET state = $1", state)
        for action in ("cancel", "pause", "resume", "redrive"):
            answer = await edge.http.post(f"{place}/{action}")
            assert answer.status_code == (409 if action in refused else 202), (state, action)
            if action in refused:
                assert answer.json()["detail"] == f"the job is {state}, which is final"


async def test_of_a_job_that_is_over_and_of_which_nothing_failed_nothing_is_redriven(edge: Served) -> None:
    """It found fewer records than the vendor has, say."""
    await edge.http.put("/vendors/acme", json=VENDOR)
    place = (await edge.http.post("/jobs", json=JOB)).headers["location"]
    for failed, status in ((0, 409), (1, 202)):
        async with edge.database.transaction() as tx:
            over = "UPDATE jobs SET state = 'completed_with_failures', ended_at = now(), failed = $1"
            await tx.execute(over, failed)
        answer = await edge.http.post(f"{place}/redrive")
        assert answer.status_code == status
        if status == 409:
            assert answer.json()["detail"].endswith("none of its tasks failed: there is nothing to redrive")
