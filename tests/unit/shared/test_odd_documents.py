"""Whatever stands in a document, it is read, or refused with its mistakes. Any other exception would be a 500 of the
API, and on Kafka a record that its consumer cannot pass."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.events.firing import read_schedule
from shared.specification.hook import Hook
from shared.specification.hosts import read_vendor
from shared.specification.parse import parse
from shared.specification.placeholders import read_job, read_source
from tests.unit.shared.test_places import NOTICES, OUTPUT, PLAN

Step = int | str
Place = tuple[Step, ...]
Read = Callable[[Any], object]

CALL = {
    "method": "POST",
    "path": "/orders/{parameters.id}",
    "query": {"a": "b", "c": [1, "x"]},
    "headers": {"x-id": "{parameters.id}"},
    "json": {"q": ["{{", "{parameters.id}"]},
}
RECORDS = {"select": "body.items[]", "key": "id"}
RETRY: dict[str, Any] = {
    "attempts": 3,
    "backoff": {"base": "1s", "factor": 2.0, "cap": "1m"},
    "total": "1h",
    "longest_wait": "1h",
}
META = {**PLAN, "query": {"a": "{parameters.id}"}, "size": "body.size"}
OFFSET = {"style": "offset", "size": 5, "plan": META}
CURSOR = {"style": "cursor", "next": "body.next", "into": {"query": "after"}}
POLL = {"request": CALL, "pages": OFFSET, "records": RECORDS}
INVOKE = {
    "submit": {"path": "/", "json": ["{callback.url}", "{input.m}"], "headers": {"Idempotency-Key": "{task.id}"}},
    "vendor_job": "body.id",
    "deadline": "1h",
    "heartbeat": "5m",
    "status": {"request": {"path": "/{vendor_job}"}, "every": "1m", "done": "body.done", "failed": "body.failed"},
    "results": {"request": {"path": "/{vendor_job}/results"}, "pages": CURSOR},
    "abort": {"path": "/{vendor_job}"},
    "records": RECORDS,
}
WORK = {**OUTPUT, "tolerate": "1%", "priority": "low"}
JOB_WORK = {**WORK, "sinks": ["postgres"], "id": "0190163d-8694-739b-aea5-966c26f8ad90"}
JOBS: list[dict[str, Any]] = [
    {"vendor": "acme", "poll": POLL, "parameters": {"id": 1}, **JOB_WORK},
    {"vendor": "acme", "poll": {"request": {"path": "/", "json": "{page.cursor}"}, "pages": {**CURSOR, "into": None}}},
    {"vendor": "acme", "invoke": INVOKE, "input": [{"m": 1}, {"m": "x"}], "parameters": {"id": 1.5}},
    {"vendor": "acme", "request": CALL, "answer": {"headers": ["a"]}, "retry": RETRY, "parameters": {"id": True}},
    {"deliver": "https://m.example/x", "event": {"a": 1}, "secret": "env:A", "vendor": "acme", "retry": RETRY},
    {"url": "https://a.example/x?y=1", "pages": "auto", "records": RECORDS},
    {"source": "orders", "parameters": {"id": 1}, "input": [{"m": True}], "notify": NOTICES},
]
SOURCES: list[dict[str, Any]] = [
    {"source": "orders", "vendor": "acme", "poll": POLL, **WORK},
    {"source": "orders", "vendor": "acme", "invoke": INVOKE, "input": [{"m": 1}], **WORK},
]
PROOF = {"scheme": "hmac", "header": "x-mac", "secrets": ["env:A"], "timestamp": "x-time", "prefix": "a"}
OUTCOME = {"done": "body.done", "failed": "body.failed", "progress": "body.progress"}
VENDORS: list[dict[str, Any]] = [
    {
        "vendor": "acme",
        "base_url": "https://a.example/v2",
        "auth": {"type": "basic", "username": "a", "password": "env:A"},
        "budget": {"windows": [{"requests": 50, "per": "1s", "burst": 5}], "in_flight": 4, "reset_header": "x"},
        "retry": RETRY,
        "outcomes": [{"when": "status == `200`", "is": "fail"}],
        "egress": ["direct", "http://p.example:8080"],
        "timeouts": {"connect": "1s", "first_byte": "1s", "total": "1s"},
        "limits": {"body": "1MiB"},
        "network": {"private_addresses": "allow", "redirects": "follow"},
        "callbacks": {"verify": PROOF, "vendor_job": "body.id", "outcome": OUTCOME},
    }
]
STARTS = {"source": "orders", "parameters": {"id": "body.id"}, "when": "body.a == 'b'"}
HOOKS: list[dict[str, Any]] = [
    {"hook": "h", "verify": PROOF, "id": "body.id", "start": STARTS, "answer": {"status": 200, "fields": {"a": "body"}}}
]
CRON = {"cron": "0 9 * * 1-5", "zone": "Europe/Berlin", "starts": "2026-12-24T18:00:00Z", "ends": "2027-12-24T18:00Z"}
AGAIN = {"on_failure": {"reschedule": {"after": "1h", "at_most": 3}, "notify": NOTICES}}
ORDER = {"job_id": "0190163d-8694-739b-aea5-966c26f8ad90", "action": "pause"}
SCHEDULES: list[dict[str, Any]] = [
    {"schedule": "s", **CRON, "start": JOBS[-1], "catch_up": {"within": "1h", "policy": "all"}, **AGAIN},
    {"triggerAt": "2027-01-01T00:00:00+01:00", "publish": {"topic": "jobs.control", "key": "k", "event": ORDER}},
    {"every": "1d", "publish": {"topic": "jobs.requested", "event": {"url": "https://a.example/{schedule.date}"}}},
]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
KINDS: dict[str, tuple[Read, list[dict[str, Any]]]] = {
    "job": (read_job, JOBS),
    "source": (read_source, SOURCES),
    "vendor": (read_vendor, VENDORS),
    "hook": (partial(parse, TypeAdapter(Hook)), HOOKS),
    "schedule": (lambda document: read_schedule(document, NOW), SCHEDULES),
}
ODD: list[Any] = [
    *(None, True, 0, -1, 10**30, 1e308, "", " ", "{", "{}", "{{", "\0", "\x1b[31m", "é" * 300, "9" * 5000),
    *([], [None], [[]], [{}], {}, {"": ""}, {"style": []}, {"type": {}}, {"scheme": []}, {"~/": "{x}"}),
    *("{x}", "{page.cursor}", "{page.size}", "{vendor_job}", "{callback.url}", "{schedule.x}", "{parameters.id}"),
    *("auto", "cursor", "topic", "1%", "inf%", "sNaN%", "-1%", "1e400%", "1e1000005%"),
    *("1e5s", "99999999999d", "P99999999999D", "-PT1S", "0.0001ms", "9" * 5000 + "d", "9999999999999999KiB", "٣s"),
    *("2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-12-24T18:00+99:99"),
    *(
        "0 0 31 2 *",
        "*/0 * * * *",
        "60 * * * *",
        "0 0 * * 5#6",
        "² * * * *",
        "1-0 * * * *",
        "../etc",
        "Europe",
        "UTC\n",
    ),
    *("body.[", "&a", "foo()", "join(@, @)", "[@, @][]", "(" * 900, "body[" * 300, "body.a[::0]", '`{"a":1e999}`'),
    *("http://", "https://[::1", "https://a.example:port/", "https://a.example:99999", "https://a..b", "https://a@b"),
    *("/a/../b", "//x", "env:", "file:/\0", "00000000-0000-0000-0000-000000000000", POLL, INVOKE),
]


def places_in(value: Any, at: Place = ()) -> Iterator[Place]:
    """The places of everything in a document, the document's own first."""
    yield at
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places_in(inner, (*at, step))


def replaced(document: Any, place: Place, value: Any) -> Any:
    """The document with another value at a place."""
    if not place:
        return value
    step, *rest = place
    changed = document.copy()
    changed[step] = replaced(document[step], tuple(rest), value)
    return changed


@pytest.mark.parametrize("kind", KINDS)
def test_valid_documents_of_each_kind_are_read(kind: str) -> None:
    read, documents = KINDS[kind]
    for document in documents:
        read(document)


@st.composite
def odd_documents(draw: st.DrawFn) -> tuple[Read, Any]:
    read, documents = draw(st.sampled_from(list(KINDS.values())))
    document: Any = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(list(places_in(document))))
        document = replaced(document, place, draw(st.sampled_from(ODD)))
    return read, document


@settings(max_examples=300)
@given(odd_documents())
@example((read_job, {"vendor": "acme", "poll": {"request": "/{parameters.id}", "pages": CURSOR}}))
@example((read_source, {"source": "orders", "poll": {"request": ["{x}"], "pages": CURSOR}}))
@example((read_source, {**SOURCES[0], "tolerate": "1e1000005%"}))
def test_a_document_with_odd_values_is_read_or_refused(case: tuple[Read, Any]) -> None:
    read, document = case
    with suppress(Invalid):
        read(document)
