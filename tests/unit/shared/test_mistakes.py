"""The likeliest mistakes in vendors and sources: each told once, at its place, with what was expected."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.specification.hook import Hook
from shared.specification.parse import parse
from shared.specification.placeholders import read_job, read_source
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
    ],
)
def test_mistakes_in_a_poll(poll: dict[str, Any], pointer: str, detail: str) -> None:
    [(where, what)] = told_of_source({"source": "orders", "vendor": "acme", "poll": poll})
    assert (where, what[: len(detail)]) == (pointer, detail)


@pytest.mark.parametrize(
    ("submit", "status", "pointer", "detail"),
    [
        (
            "{inptu.month}",
            "{vendor_job}",
            "/invoke/submit/json/a",
            "{inptu.month}; known here: {parameters.NAME}, {inp",
        ),
        ("{callback.uri}", "{vendor_job}", "/invoke/submit/json/a", "{callback.uri}; known here: {parameters.NAME}, {"),
        ("{vendor_job}", "", "/invoke/submit/json/a", "{vendor_job}; known here: {parameters.NAME}, {input.NAME}, {ca"),
        (
            "",
            "{vendorjob}",
            "/invoke/status/request/path",
            "{vendorjob}; known here: {parameters.NAME}, {input.NAME}, {v",
        ),
        ("", "{callback.url}", "/invoke/status/request/path", "{callback.url}; known here: {parameters.NAME}, {inp"),
    ],
)
def test_placeholders_that_nothing_can_ever_fill_in_an_invocation(
    submit: str, status: str, pointer: str, detail: str
) -> None:
    asked = {"request": {"path": f"/{status}"}}
    invoke = {"submit": {"path": "/", "json": {"a": submit or "{callback.url}"}}, "status": asked, "deadline": "1h"}
    [(where, what)] = told_of_source({"source": "reports", "vendor": "acme", "invoke": invoke})
    assert (where, what[: len(detail) + 20]) == (pointer, f"unknown placeholder {detail}")


def test_all_mistakes_of_a_source_are_told_at_once_each_at_its_place() -> None:
    poll = {
        "request": {
            "path": "/{region}",
            "query": {"a/b": "{parameter.x}"},
            "json": {"query": "query { items { id } }", "of": ["{{ok}}", "{month}"]},
        },
        "records": {"keys": "id"},
    }
    known = "known here: {parameters.NAME}; a brace itself is written {{ or }}"
    found = told_of_source({"source": "orders", "vendor": "acme", "poll": poll, "invoke": {}, "tolerate": 1})
    assert dict(found) == {
        "/poll/records/keys": "unknown field; did you mean key?",
        "/tolerate": "expected a share such as 1% or 0.01; all of it is 100% or 1.0",
        "/invoke/submit": "is missing and has no default",
        "/invoke/deadline": "is missing and has no default",
        "": "expected exactly one of poll and invoke",
        "/poll/request/path": f"unknown placeholder {{region}}; {known}",
        "/poll/request/query/a~1b": f"unknown placeholder {{parameter.x}}; {known}",
        "/poll/request/json/query": f"unknown placeholder {{ id }}; {known}",
        "/poll/request/json/of/1": f"unknown placeholder {{month}}; {known}",
    }
    assert len(found) == 9


BOTH = {"offset": "{page.offset}", "size": "{page.size}"}
NEXT = {"style": "cursor", "next": "body.next"}
NONE_ELSE = "a brace itself is written {{ or }}"


@pytest.mark.parametrize(
    ("pages", "request_part", "pointer", "detail"),
    [
        (
            {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
            {"json": BOTH},
            "/poll/request/json/offset",
            "unknown placeholder {page.offset} where pages.style is cursor; known here: {parameters.NAME}, {page.curs",
        ),
        (
            {"style": "page"},
            {"json": {"query": "{{ items(offset: {page.offset}, page: {page.number}) {{ id }} }}"}},
            "/poll/request/json/query",
            f"unknown placeholder {{page.offset}} where pages.style is page; known here: {{parameters.NAME}}, "
            f"{{page.number}}, {{page.size}}; {NONE_ELSE}",
        ),
        ({}, {"query": {"o": "{page.offset}"}}, "/poll/request/query/o", "unknown placeholder {page.offset} where p"),
        ({"style": "link"}, {"json": "{page.size}"}, "/poll/request/json", "unknown placeholder {page.size} where pa"),
        ({"style": "offset"}, {"json": {"n": "{page.size}"}}, "/poll/request", "has {page.size} and not {page.offset}"),
        (NEXT, {}, "/poll/pages/into", "is missing, unless the request has {page.cursor}"),
        ({**NEXT, "size": 5}, {"json": "{page.size}"}, "/poll/pages/into", "is missing, unless the request has {page"),
        (
            {**NEXT, "size": 5, "into": {"query": "c"}},
            {"json": "{page.size}"},
            "/poll/pages/into",
            "expected {page.cursor} in the request instead, as that has {page.size}",
        ),
        (
            {**NEXT, "into": {"query": "c"}},
            {"headers": {"X-Cursor": "{page.cursor}"}},
            "/poll/pages/into",
            "expected none, as the request has {page.cursor}",
        ),
        (NEXT, {"path": "/items/{page.cursor}"}, "/poll/request/path", "unknown placeholder {page.cursor} in a path"),
        (
            {"style": "offset", "plan": {"path": "/n", "query": {"of": "{page.size}"}, "total": "body.n"}},
            {},
            "/poll/pages/plan/query/of",
            "unknown placeholder {page.size}; known here: {parameters.NAME}; a brace",
        ),
    ],
)
def test_mistakes_in_how_a_request_asks_for_one_page_after_another(
    pages: dict[str, Any], request_part: dict[str, Any], pointer: str, detail: str
) -> None:
    poll = {"request": {"method": "POST", "path": "/search", **request_part}, **({"pages": pages} if pages else {})}
    found = dict(told_of_source({"source": "orders", "vendor": "acme", "poll": poll}))
    assert found.get(pointer, "")[: len(detail)] == detail, found


def test_what_is_wrong_with_a_style_says_nothing_of_its_placeholders() -> None:
    poll = {"request": {"json": BOTH}, "pages": {"style": "ofset"}}
    assert [where for where, _ in told_of_source({"source": "orders", "vendor": "acme", "poll": poll})] == [
        "/poll/pages/style"
    ]


def test_pages_of_a_url_have_no_request_for_a_cursor() -> None:
    with pytest.raises(Invalid) as caught:
        read_job({"url": "https://api.example/items", "pages": NEXT})
    assert [(one.pointer, one.detail) for one in caught.value.problems] == [
        ("/pages/into", "is missing and has no default")
    ]


@pytest.mark.parametrize(
    ("pages", "request_part"),
    [
        ({"style": "offset"}, {"json": BOTH}),
        ({"style": "page"}, {"path": "/items/{page.number}"}),
        (NEXT, {"json": {"variables": {"after": "{page.cursor}"}}}),
        ({**NEXT, "into": {"query": "c"}}, {}),
        ({"style": "keyset", "field": "id"}, {"query": {"after": "{page.cursor}", "n": "{page.size}"}}),
    ],
)
def test_requests_may_ask_for_their_pages_themselves(pages: dict[str, Any], request_part: dict[str, Any]) -> None:
    walk = {"request": {"method": "POST", "path": "/search", **request_part}, "pages": pages}
    read_source({"source": "orders", "vendor": "acme", "poll": walk})
    invoke = {"submit": {"path": "/", "json": "{callback.url}"}, "deadline": "1h", "results": walk}
    read_job({"vendor": "acme", "invoke": invoke, "input": [{"a": 1}]})


def test_a_job_with_other_mistakes_is_told_its_placeholders_too() -> None:
    with pytest.raises(Invalid) as caught:
        read_job({"vendor": "acme", "request": {"path": "/{id}", "pth": 1}, "parameters": {"ID": 1}})
    assert [one.pointer for one in caught.value.problems] == ["/request/pth", "/request/path"]


@pytest.mark.parametrize("work", [{}, {"poll": {}, "invoke": {"submit": {"path": "/"}, "deadline": "1h"}}])
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
        ("payloads", {"keep": "9" * 40 + "d"}, "/payloads/keep", "expected a duration between 0 and 10 years"),
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
