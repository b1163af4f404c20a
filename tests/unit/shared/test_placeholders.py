"""Placeholders that nothing fills, and requests that do not lead from page to page: told each at its place, and all at
once."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.specification.placeholders import read_job, read_source
from tests.unit.shared.test_mistakes import told_of_source


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
    "request_",
    ["/orders/{page.cursor}", ["{page.cursor}"], {"path": {"of": "{page.cursor}"}}],
)
def test_a_request_of_another_shape_is_the_mistake(request_: Any) -> None:
    poll = {"request": request_, "pages": {**NEXT, "into": {"query": "c"}}}
    found = told_of_source({"source": "orders", "vendor": "acme", "poll": poll})
    assert found[0][0] == f"/poll/request{'/path' if isinstance(request_, dict) else ''}"


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


def problems_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        read_job(document)
    return [(one.pointer, one.detail) for one in caught.value.problems]


def test_of_many_names_a_problem_shows_the_first_and_of_long_ones_the_beginning() -> None:
    parameters = {**{f"p{number:02}": 1 for number in range(20)}, "long": 1}
    [(pointer, detail)] = problems_of(
        {"vendor": "acme", "request": {"json": {"a": f"{{{'x' * 500}}}"}}, "parameters": parameters}
    )
    shown = ", ".join(f"{{parameters.p{number:02}}}" for number in range(12))
    assert pointer == "/request/json/a"
    assert detail == f"unknown placeholder {{{'x' * 100}…}}; known here: {shown} and 9 more; {NONE_ELSE}"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "document",
    [
        {"request": {"json": [f"{{x{n}}}" for n in range(30_000)]}, "parameters": {f"p{n}": 1 for n in range(30_000)}},
        {"request": {"json": [f"{{{n}}}" for n in range(90_000)]}, "parameters": {str(n): {} for n in range(9000)}},
        {"request": {"json": {"k" * 500_000: ["{x}"] * 100_000}}},
        {"request": {"headers": {f"_{n}": "{x}" for n in range(70_000)}}},
        {"poll": {"request": {"query": {"k" * 500_000: [{}] * 100_000}}}},
        {"poll": {"request": {"query": {f"q{n}": {} for n in range(70_000)}}}},
    ],
    ids=["names", "mistakes", "long pointers", "headers", "long names", "values"],
)
def test_a_megabyte_of_mistakes_is_worded_in_little_text(document: dict[str, Any]) -> None:
    """Each of them took all memory, or half a minute."""
    found = problems_of({"vendor": "acme", **document})
    assert 0 < len(found) <= 5000
    assert sum(len(pointer) + len(detail) for pointer, detail in found) < 2_000_000


@pytest.mark.timeout(20)
def test_a_job_of_very_many_names_is_read() -> None:
    names = [f"n{number}" for number in range(30_000)]
    submit = {"path": "/", "json": ["{callback.url}", *(f"{{input.{name}}}" for name in names)]}
    invoke = {"submit": submit, "deadline": "1h"}
    read_job({"vendor": "acme", "invoke": invoke, "input": [dict.fromkeys(names, 1)]})


NAMES = st.sampled_from(
    ["url", "source", "poll", "invoke", "request", "results", "pages", "style", "into", "parameters", "input", "json"]
)
WORDS = st.sampled_from(["offset", "cursor", "{page.offset}", "{page.cursor}", "{", "{}", "{{x}}", "acme", "/"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=6) | ANYTHING)
def test_whatever_is_written_is_read_or_refused(document: Any) -> None:
    for read in (read_job, read_source):
        with suppress(Invalid):
            read(document)
