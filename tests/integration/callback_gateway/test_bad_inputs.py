"""Whatever comes in is answered with a problem, never with 5xx."""

from uuid import uuid4

import httpx
import pytest

from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.raw_http import all_spoken, spoken
from tests.support.eventually import eventually

JSON = {"Content-Type": "application/json"}
LIMIT = 1024**2
BODIES = {
    "empty": (b"", 400),
    "cut": (b'{"url":', 400),
    "garbage behind": (b'{"url":"https://a.example"} x', 400),
    "byte order mark": (b'\xef\xbb\xbf{"url":"https://a.example"}', 400),
    "UTF-16": ('{"url":"https://a.example"}'.encode("utf-16"), 400),
    "not a number": (b'{"url":"https://a.example","tolerate":NaN}', 400),
    "no finite number": (b'{"vendor/":{"poll":[{"request":{"a":1e30,"json":-1e999,"b":1e999}}]}}', 400),
    "a number of 5,000 digits": (b'{"url":"https://a.example","tolerate":' + b"9" * 5000 + b"}", 400),
    "deep": (b"[" * 100_000, 400),
    "NUL": (b'{"source":"a","parameters":{"x":"\\u0000"}}', 400),
    "NUL in a name": (b'{"source":"a","parameters":{"b":1,"\\u0000":{"c":"\\u0000"}}}', 400),
    "lone surrogate": (b'{"source":"a","parameters":{"x":"\\ud800"}}', 400),
    "lone surrogate in a name": (b'{"source":"a","parameters":{"\\ud800":"x"}}', 400),
    "list": (b"[]", 422),
    "text": (b'"x"', 422),
    "null": (b"null", 422),
    "no kind": (b"{}", 422),
    "one byte too large": (b" " * (LIMIT + 1), 413),
}
PLACES = {
    "not a number": "/tolerate",
    "no finite number": "/vendor~1/poll/0/request/json",
    "a number of 5,000 digits": "/tolerate",
    "NUL": "/parameters/x",
    "NUL in a name": "/parameters",
    "lone surrogate": "/parameters/x",
    "lone surrogate in a name": "/parameters",
}
"""Of the one value in each of these bodies that cannot be kept."""
URLS = [
    "file:///x",
    "ftp://a.example",
    "gopher://a.example",
    "http://u:p@a.example",
    "http://a.example:22",
    "http://a@b@c",
    "http://a\\@b",
]
URLS += ["https://bücher.example", "https://a.example/" + "x" * 2100]


async def test_bodies(edge: Served) -> None:
    answers = {what: await edge.http.post("/jobs", content=body, headers=JSON) for what, (body, _) in BODIES.items()}
    assert {what: answer.status_code for what, answer in answers.items()} == {
        what: s for what, (_, s) in BODIES.items()
    }
    assert all(is_problem(answer) for answer in answers.values())
    named = {what: answer.json().get("errors", []) for what, answer in answers.items() if answer.status_code == 400}
    assert {what: [one["pointer"] for one in found] for what, found in named.items() if found} == {
        what: [place] for what, place in PLACES.items()
    }
    assert all("expected" in one["detail"] for found in named.values() for one in found)


async def test_urls(edge: Served) -> None:
    answers = {url: await edge.http.post("/jobs", json={"url": url}) for url in URLS}
    assert {url: answer.status_code for url, answer in answers.items()} == dict.fromkeys(URLS, 422)
    for url, answer in answers.items():
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/url"], url


async def test_what_is_no_number_is_refused_where_one_belongs(edge: Served) -> None:
    budget = {"windows": [{"requests": True, "per": "1s"}], "in_flight": "5"}
    answer = await edge.http.put("/vendors/acme", json={"base_url": "https://a.example", "budget": budget})
    assert (answer.status_code, is_problem(answer)) == (422, True)
    assert answer.json()["errors"] == [
        {"pointer": "/budget/windows/0/requests", "detail": "expected a whole number, got true"},
        {"pointer": "/budget/in_flight", "detail": "expected a whole number, got a text"},
    ]
    job = {"url": "https://a.example", "pages": {"style": "offset", "size": True}}
    assert (await edge.http.post("/jobs", json=job)).json()["errors"] == [
        {"pointer": "/pages/size", "detail": "expected a whole number, got true"}
    ]


async def test_a_body_of_exactly_the_limit_is_read(edge: Served) -> None:
    body = b'{"url":"https://a.example"}'
    answer = await edge.http.post("/jobs", content=body + b" " * (LIMIT - len(body)), headers=JSON)
    assert answer.status_code == 202


async def test_a_document_too_large_for_its_topic_is_refused(edge: Served) -> None:
    body = b'{"source":"a","parameters":{"x":"%s"}}'
    await edge.http.put("/vendors/v", json={"base_url": "https://a.example"})
    await edge.http.put("/sources/a", json={"vendor": "v", "poll": {}})
    answer = await edge.http.post("/jobs", content=body % (b"x" * (LIMIT - len(body) + 2)), headers=JSON)
    assert answer.status_code == 413


async def test_only_plain_json_is_taken(edge: Served) -> None:
    encoded = [{**JSON, "Content-Encoding": coding} for coding in ("gzip", "gzip, gzip", "br", "nonsense")]
    for headers in ({}, {"Content-Type": "text/html"}, *encoded):
        assert (await edge.http.post("/jobs", content=b"{}", headers=headers)).status_code == 415, headers


async def test_idempotency_keys_are_printable_and_short(edge: Served) -> None:
    for key in (b"", b"x" * 256, b"\xfc"):
        answer = await edge.http.post("/jobs", json={"url": "https://a.example"}, headers={b"Idempotency-Key": key})
        assert answer.status_code == 400, key


async def test_one_of_two_idempotency_keys_is_not_chosen(edge: Served) -> None:
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    schedule = {"every": "1h", "start": {"url": "https://a.example"}}
    for path, document in (("/jobs", {"url": "https://a.example"}), ("/schedules", schedule)):
        answer = await edge.http.post(path, json=document, headers=keys)
        assert (answer.status_code, answer.json()["detail"]) == (422, "Idempotency-Key: expected one, got 2"), path


async def test_paths_methods_and_queries(edge: Served) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/jobs/", 404),
        ("GET", "/jobs/%00", 404),
        ("GET", "/jobs/x", 404),
        ("GET", f"/jobs/{uuid4()}", 404),
        ("GET", f"/jobs/{uuid4()}/tasks", 404),
        ("GET", f"/jobs/{uuid4()}/events", 404),
        ("GET", "/vendors/%2e%2e", 404),
        ("GET", "/vendors/nobody", 404),
        ("DELETE", "/sources/nobody", 404),
        ("GET", "/dead-letters/x", 404),
        ("GET", f"/dead-letters/{uuid4()}", 404),
        ("GET", "/" + "x" * 5000, 404),
        ("GET", "/" + "x" * 9000, 414),
        ("PUT", "/jobs", 405),
        ("TRACE", "/jobs", 405),
        ("DELETE", f"/jobs/{uuid4()}", 405),
        ("GET", f"/jobs/{uuid4()}/cancel", 405),
        ("GET", "/jobs?status=nonsense", 422),
        ("GET", "/jobs?status=%00", 422),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=99999999999999999999", 422),
        ("GET", "/jobs?after=x", 422),
        ("GET", f"/jobs/{uuid4()}/tasks?after=99999999999", 422),
        ("GET", "/dead-letters?service=%00", 422),
    ):
        answer = await edge.http.request(method, path)
        assert (answer.status_code, is_problem(answer)) == (status, True), (method, path[:100])
    for target in ("//", "//openapi.json", "/jobs/../../etc/passwd"):
        raw = await spoken(edge.port, f"GET {target} HTTP/1.1\r\nHost: 127.1\r\n\r\n".encode())
        assert raw.startswith(b"HTTP/1.1 404 "), (target, raw[:200])
        assert b"content-type: application/problem+json" in raw


@pytest.mark.parametrize("kind", ["vendor", "source", "hook", "schedule"])
async def test_a_name_that_is_none_is_told_like_any_mistake(edge: Served, kind: str) -> None:
    for name in ("Acme", "acme_eu", "-acme", "x" * 300):
        place = f"/{kind}s/{name}"
        document = {kind: name, "every": "1h", "start": {"url": "https://a.example"}}
        asked = edge.http.post("/schedules", json=document) if kind == "schedule" else edge.http.put(place, json={})
        answer = await asked
        told = {"pointer": f"/{kind}", "detail": "expected lower case letters, digits, dots and hyphens, at most 63"}
        assert (answer.status_code, is_problem(answer)) == (422, True), name
        assert told in answer.json()["errors"], name
        assert [(await edge.http.request(method, place)).status_code for method in ("GET", "DELETE")] == [404, 404]


async def test_the_name_in_a_path_counts_and_not_that_in_the_document(edge: Served) -> None:
    answer = await edge.http.put("/vendors/Acme", json={"vendor": "acme", "base_url": "https://a.example"})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/vendor"]
    assert answer.json()["errors"][0]["detail"].startswith("expected lower case letters")


async def test_a_parameter_that_an_operation_does_not_have_is_refused(edge: Served) -> None:
    """It would be passed over, and the answer be taken for what was asked."""
    known = "known here: after, correlation_id, limit, status"
    for path, wrong, detail in (
        ("/jobs?staus=failed&limit=5", "staus", "unknown parameter; did you mean status?"),
        ("/jobs?x=1", "x", f"unknown parameter; {known}"),
        (f"/jobs/{uuid4()}/tasks?status=failed", "status", "unknown parameter; did you mean state?"),
        ("/dead-letters?job=x", "job", "unknown parameter; did you mean job_id?"),
        ("/schedules?stauts=x", "stauts", "unknown parameter; did you mean status?"),
    ):
        answer = await edge.http.get(path)
        assert (answer.status_code, is_problem(answer)) == (422, True), path
        assert answer.json()["errors"] == [{"pointer": f"/query/{wrong}", "detail": detail}], path
    assert (await edge.http.get("/jobs?status=failed&limit=5")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/jobs"),
        ("GET", "/jobs/01900000-0000-7000-8000-000000000000"),
        ("POST", "/dead-letters/redrive"),
        ("PUT", "/vendors/acme"),
        ("DELETE", "/sources/acme"),
    ],
)
async def test_a_parameter_is_refused_where_there_is_none(edge: Served, method: str, path: str) -> None:
    """What was meant as a trial would be done."""
    answer = await edge.http.request(method, f"{path}?dry_run=true", json=None if method in ("GET", "DELETE") else {})
    assert answer.json()["errors"] == [{"pointer": "/query/dry_run", "detail": "unknown parameter"}]
    assert (answer.status_code, is_problem(answer)) == (422, True)


@pytest.mark.parametrize("path", ["/callbacks/acme/no-token", "/in/no-hook"])
async def test_a_vendor_may_add_parameters_to_the_urls_that_it_calls(edge: Served, path: str) -> None:
    plain, added = [(await edge.http.post(f"{path}{query}", json={})).status_code for query in ("", "?attempt=2")]
    assert plain == added in (401, 404)


async def test_heads(edge: Served) -> None:
    for head, status in (
        (
            b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n",
            413,
        ),
        (b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Length: 1x\r\n\r\n{", 400),
        (b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nX: a\rY: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nX : b\r\n\r\n", 400),
        (b"GET /jobs/x HTTP/1.1\r\nHost: [\r\n\r\n", 401),
        (b"GET /jobs/x HTTP/1.1\r\n\r\n", 401),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nX: " + b"y" * 65_536, 431),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 404),
    ):
        answer = await spoken(edge.port, head)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (head[:100], answer[:200])
        assert b"content-type: application/problem+json" in answer


async def test_a_body_that_is_longer_than_announced_is_no_second_request(edge: Served) -> None:
    head = b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    answer = await all_spoken(edge.port, head + b'{}{"url":"https://a.example"}')
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b" 202 " not in answer


async def test_a_body_that_ends_early_starts_nothing(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("jobs.requested")
    head = b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    assert b"HTTP/1.1 202" not in await all_spoken(edge.port, head + b'{"url":"https://a.example"}', end=True)
    answer = await edge.http.post("/jobs", json={"url": "https://a.example"})
    await eventually(lambda: requested.records)
    assert [job["id"] for job in requested.values] == [answer.json()["id"]]


async def test_of_names_that_come_twice_the_last_counts(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("jobs.requested")
    body = b'{"url":"https://first.example","url":"https://last.example"}'
    assert (await edge.http.post("/jobs", content=body, headers=JSON)).status_code == 202
    [job] = await eventually(lambda: requested.values)
    assert job["url"] == "https://last.example"


async def test_an_endless_body_ends_at_the_limit(edge: Served) -> None:
    head = b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert (await spoken(edge.port, head + chunk * 40)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_not_waited_for(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, gateway_body_seconds=0.2)
    head = b"POST /jobs HTTP/1.1\r\nHost: 127.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    assert (await spoken(edge.port, head)).startswith(b"HTTP/1.1 408 ")


def is_problem(answer: httpx.Response) -> bool:
    return (
        answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == answer.status_code
    )
