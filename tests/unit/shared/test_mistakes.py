"""The likeliest mistakes in vendors and sources: each told once, at its place, with what was expected."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.specification.hook import Hook
from shared.specification.parse import parse
from shared.specification.placeholders import read_job, read_source
from shared.specification.values import Duration
from shared.specification.vendor import Vendor

VENDOR, HOOK = TypeAdapter(Vendor), TypeAdapter(Hook)
DURATION = "expected a duration with its unit, such as 250ms, 30s, 5m, 2h, 7d or ISO 8601"


def told(adapter: TypeAdapter[Any], document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse(adapter, document)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


def told_of_source(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        read_source(document)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        ("base_url", "https://a.example/?key=1", "/base_url", "expected a URL without ? and #"),
        ("vendor", "Acme Corp", "/vendor", "expected lower case letters, digits, dots and hyphens"),
        ("auth", {"type": "oauth"}, "/auth/type", "expected bearer, basic, header or query"),
        ("auth", {"token": "env:T"}, "/auth", "expected type in it"),
        ("budget", {"window": []}, "/budget/window", "unknown field; did you mean windows?"),
        ("budget", {"windows": {"requests": 1, "per": "1s"}}, "/budget/windows", "expected a list"),
        ("budget", {"windows": [{"requests": 5, "per": "1 s"}]}, "/budget/windows/0/per", DURATION),
        ("budget", {"windows": [{"requests": 5, "per": "60"}]}, "/budget/windows/0/per", DURATION),
        ("budget", {"windows": [{"requests": 5, "per": "1ms"}]}, "/budget/windows/0/per", "expected between 100ms and"),
        (
            "budget",
            {"windows": [{"requests": 5, "per": "1s", "burst": 6}]},
            "/budget/windows/0/burst",
            "expected at most the window's requests",
        ),
        ("retry", {"backoff": "1s"}, "/retry/backoff", "expected an object with base, cap"),
        ("retry", {"max": 3}, "/retry/max", "unknown field; known here: attempts, backoff, longest_wait, stall, total"),
        ("timeouts", {"total": "0s"}, "/timeouts/total", "expected at least 1ms"),
        ("timeouts", {"read": "5s"}, "/timeouts/read", "unknown field; known here: connect, first_byte, total"),
        ("egress", ["proxy:3128"], "/egress/0", "expected a URL that starts with https:// or http://"),
        ("egress", [], "/egress", "expected at least 1 of them, got 0"),
        ("outcomes", [{"when": "stauts == `1`", "is": "fail"}], "/outcomes/0/when", "stauts is none of body, headers"),
        ("outcomes", [{"when": "status == `1`", "is": "fial"}], "/outcomes/0/is", "expected success, empty, retry, r"),
        ("network", {"private_addresses": True}, "/network/private_addresses", "expected refuse or allow"),
        (
            "callbacks",
            {"outcome": {"done": "status == 'succeeded'"}},
            "/callbacks/outcome/done",
            "status is neither body nor headers; did you mean body.status?",
        ),
        ("callbacks", {"outcome": {"failed": "status"}}, "/callbacks/outcome/failed", "status is neither body nor h"),
        ("callbacks", {"outcome": {"progress": "status"}}, "/callbacks/outcome/progress", "status is neither body n"),
        ("callbacks", {"vendor_job": "status.id"}, "/callbacks/vendor_job", "status is neither body nor headers"),
        (
            "callbacks",
            {"vendor_job": "header.id"},
            "/callbacks/vendor_job",
            "header is neither body nor headers; did",
        ),
    ],
)
def test_mistakes_in_a_vendor(field: str, value: object, pointer: str, detail: str) -> None:
    document = {"vendor": "acme", "base_url": "https://a.example", field: value}
    [(where, what)] = told(VENDOR, document)
    assert (where, what[: len(detail)]) == (pointer, detail)


@pytest.mark.parametrize(
    ("poll", "pointer", "detail"),
    [
        ({"path": "/x"}, "/poll/path", "unknown field; known here: pages, records, request"),
        ({"request": "/x"}, "/poll/request", "expected an object with headers, json, method, path, query"),
        ({"request": {"params": {}}}, "/poll/request/params", "unknown field; known here: headers, json, method, path"),
        ({"request": {"query": {"a": None}}}, "/poll/request/query/a", "expected a text, a number, or true or false"),
        (
            {"request": {"headers": {"Authorization": "Bearer x"}}},
            "/poll/request/headers/Authorization",
            "credentials do not belong in a request; use the vendor's auth with a secret reference",
        ),
        ({"pages": {"style": "ofset"}}, "/poll/pages/style", "expected none, auto, offset, page, cursor, keyset"),
        (
            {"pages": "atuo"},
            "/poll/pages",
            "expected none, auto, offset, page, cursor, keyset, next, link or an object wi",
        ),
        (
            {"pages": "cursor", "request": {"query": {"after": "{page.cursor}"}}},
            "/poll/pages",
            "cursor needs more than its name: expected {style: cursor, next: …}",
        ),
        ({"pages": {"style": "offset", "sze": 1}}, "/poll/pages/sze", "unknown field; did you mean size?"),
        (
            {"pages": {"style": "offset", "plan": {"path": "/x", "total": "body.n", "pth": 1}}},
            "/poll/pages/plan/pth",
            "unk",
        ),
        ({"pages": {"style": "next", "next": "next"}}, "/poll/pages/next", "next is none of body, headers and status"),
        (
            {"pages": {"style": "offset", "total": "length(meta.total)"}},
            "/poll/pages/total",
            "meta is none of body, headers and status; did you mean body.meta?",
        ),
        ({"records": {"select": "items[?body.x].y"}}, "/poll/records/select", "items is not body; did you mean body.i"),
        (
            {"records": {"select": "headers.items"}},
            "/poll/records/select",
            "headers is not body; did you mean body",
        ),
        ({"records": {"keys": "id"}}, "/poll/records/keys", "unknown field; did you mean key?"),
        (
            {"records": {"key": "body.id"}},
            "/poll/records/key",
            "is looked for in a record itself: leave body. out, or write @.body for a field of that name",
        ),
        ({"records": {"key": "join('-', [body.id, to_string(n)])"}}, "/poll/records/key", "is looked for in a record"),
        (
            {"pages": {"style": "keyset", "field": "body.id", "into": {"query": "after"}}},
            "/poll/pages/field",
            "is looked for in a record itself: leave body. out",
        ),
    ],
)
def test_mistakes_in_a_poll(poll: dict[str, Any], pointer: str, detail: str) -> None:
    [(where, what)] = told_of_source({"source": "orders", "vendor": "acme", "poll": poll})
    assert (where, what[: len(detail)]) == (pointer, detail)


def test_a_name_alone_is_what_needs_nothing_else() -> None:
    poll = {"request": {"query": {"p": "{page.number}"}}, "pages": "page"}
    short = read_source({"source": "orders", "vendor": "acme", "poll": poll, "sinks": ["postgres", "topic"]})
    long = {**poll, "pages": {"style": "page"}}
    sinks = [{"type": "postgres"}, {"type": "topic"}]
    assert short == read_source({"source": "orders", "vendor": "acme", "poll": long, "sinks": sinks})
    assert [sink["type"] for sink in short.model_dump()["sinks"]] == ["postgres", "topic"]
    url = read_job({"url": "https://a.example/", "pages": "none"})
    assert url == read_job({"url": "https://a.example/", "pages": {"style": "none"}})


def test_a_topic_by_its_name_alone_belongs_to_a_source_too() -> None:
    with pytest.raises(Invalid) as refused:
        read_job({"url": "https://a.example/", "sinks": ["topic"]})
    assert [problem.pointer for problem in refused.value.problems] == ["/sinks"]


@pytest.mark.parametrize(
    "key", ["body", "record", "record.id", "status.id", "parent.body.id", "@.body.id", "[?body.id] | [0]"]
)
def test_a_key_may_be_a_field_whatever_it_is_called(key: str) -> None:
    source = read_source({"source": "orders", "vendor": "acme", "poll": {"records": {"key": key}}})
    assert source.poll is not None
    assert source.poll.records.key == key


INVOKE = {"submit": {"path": "/", "json": "{callback.url}"}, "deadline": "1h"}


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        ("deadline", "999ms", "/invoke/deadline", "expected at least 1s"),
        ("status", {"request": {}, "every": "0s", "done": "body"}, "/invoke/status/every", "expected at least 1s"),
        (
            "results",
            {"request": {}, "pages": {"style": "auto"}},
            "/invoke/results/pages",
            "expected a style other than",
        ),
    ],
)
def test_mistakes_in_an_invocation(field: str, value: object, pointer: str, detail: str) -> None:
    document = {"source": "reports", "vendor": "acme", "invoke": {**INVOKE, field: value}}
    [(where, what)] = told_of_source(document)
    assert (where, what[: len(detail)]) == (pointer, detail)


@pytest.mark.parametrize("work", [{}, {"poll": {}, "invoke": INVOKE}])
def test_a_source_does_one_thing(work: dict[str, Any]) -> None:
    document = {"source": "orders", "vendor": "acme", **work}
    assert told_of_source(document) == [("", "expected exactly one of poll and invoke")]


def test_inputs_belong_to_invoke_whatever_else_is_wrong() -> None:
    document = {"source": "orders", "vendor": "acme", "poll": {}, "input": [{"a": 1}], "tolerate": 1}
    assert sorted(where for where, _ in told_of_source(document)) == ["/input", "/tolerate"]


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        (
            "poll",
            {"request": {"path": "/{parameter.x}"}},
            "/poll/request/path",
            "unknown placeholder {parameter.x}; known here: {parameters.NAME}",
        ),
        ("poll", {"request": {"json": [{"a": "{page.n}"}]}}, "/poll/request/json/0/a", "unknown placeholder {page.n}"),
        (
            "poll",
            {"pages": {"style": "offset", "plan": {"path": "/{region}", "total": "body.{n: n}.n"}}},
            "/poll/pages/plan/path",
            "unknown placeholder {region}",
        ),
        ("sinks", "postgres", "/sinks", "expected a list"),
        ("sinks", [{"type": "postgress"}], "/sinks/0/type", "expected postgres or topic; did you mean postgres?"),
        ("tolerate", 1, "/tolerate", "expected a share such as 1% or 0.01; all of it is 100% or 1.0"),
        ("payloads", {"keep": 7}, "/payloads/keep", DURATION),
        ("payloads", {"keep": "100.4ms"}, "/payloads/keep", "expected whole milliseconds"),
        ("payloads", {"keep": "0.0001ms"}, "/payloads/keep", "expected whole milliseconds"),
        ("payloads", {"keep": "PT0.0001S"}, "/payloads/keep", "expected whole milliseconds"),
        ("payloads", {"keep": "9" * 40 + "d"}, "/payloads/keep", "expected a duration between 0 and 10 years"),
        ("payloads", {"keep": "9" * 1_000_000 + "d"}, "/payloads/keep", "expected a duration between 0 and 10 years"),
        ("payloads", {"keep": "9" * 400 + "ms"}, "/payloads/keep", "expected a duration between 0 and 10 years"),
        ("notify", [{"webhook": "https://m.example", "on": ["done"]}], "/notify/0/on/0", "expected completed, complet"),
        ("notify", [{"topic": True, "on": ["done"]}], "/notify/0/on/0", "expected completed, complet"),
        ("notify", [{"topic": "alerts"}], "/notify/0/topic", "expected true"),
        ("notify", [{"topic": True, "secret": "env:S"}], "/notify/0/secret", "unknown field; known here: on, topic"),
        ("notify", [{"url": "https://m.example"}], "/notify/0", "expected an object with webhook, or topic: true"),
    ],
)
def test_mistakes_in_a_source(field: str, value: object, pointer: str, detail: str) -> None:
    [(where, what)] = told_of_source({"source": "orders", "vendor": "acme", "poll": {}, field: value})
    assert (where, what[: len(detail)]) == (pointer, detail)


@pytest.mark.parametrize(
    ("hook", "pointer"),
    [
        ({"id": "delivery"}, "/id"),
        ({"start": {"source": "orders", "when": "action == 'changed'"}}, "/start/when"),
        ({"start": {"source": "orders", "parameters": {"id": "order.id"}}}, "/start/parameters/id"),
        ({"start": {"source": "orders", "when": "status == 'paid'"}}, "/start/when"),
        ({"answer": {"fields": {"state": "status"}}}, "/answer/fields/state"),
    ],
)
def test_names_of_a_hook_are_those_of_a_webhook(hook: dict[str, Any], pointer: str) -> None:
    [(where, what)] = told(HOOK, {"hook": "acme", **hook})
    assert where == pointer
    assert "is neither body nor headers; did you mean body." in what


@pytest.mark.parametrize(
    "expression",
    [
        "body.a[?b == 'x'].c",
        "sort_by(body.items, &updated)",
        "headers.link || body.next",
        "`[]`",
        "{a: body.b, s: status}",
    ],
)
def test_names_are_looked_for_where_they_stand_for_parts_of_an_answer(expression: str) -> None:
    outcomes = [{"when": expression, "is": "fail"}]
    vendor = parse(VENDOR, {"vendor": "acme", "base_url": "https://a.example", "outcomes": outcomes})
    assert vendor.outcomes[0].when == expression


def test_a_job_is_not_given_the_nil_uuid() -> None:
    with pytest.raises(Invalid) as refused:
        read_job({"id": str(UUID(int=0)), "source": "orders"})
    [problem] = refused.value.problems
    assert problem.pointer == "/id"


@pytest.mark.parametrize("written", ["250ms", "1.1s", "0.5m", "1h30m", "1d0.001s", "PT15M", "0s", "3660d"])
def test_a_duration_that_is_written_out_again_reads_back_to_the_same(written: str) -> None:
    adapter = TypeAdapter(Duration)
    found = adapter.validate_python(written)
    assert adapter.validate_python(adapter.dump_python(found)) == found
