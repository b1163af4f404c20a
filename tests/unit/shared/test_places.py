"""Each mistake in a document is reported once, at its own place, whatever the fields there are called."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.specification.hook import Hook
from shared.specification.job import JobSpecification
from shared.specification.parse import parse
from shared.specification.schedule import Schedule
from shared.specification.source import Source
from shared.specification.vendor import Vendor

SECRETS = {"secrets": ["env:A"]}
VERIFICATIONS = [
    {"scheme": "standard-webhooks", **SECRETS},
    {"scheme": "hmac", "header": "x-mac", **SECRETS},
    {"scheme": "github", **SECRETS},
    {"scheme": "stripe", **SECRETS},
    {"scheme": "token", **SECRETS},
]
AUTHS = [
    {"type": "bearer", "token": "env:A"},
    {"type": "basic", "username": "a", "password": "env:A"},
    {"type": "header", "name": "x-key", "value": "env:A"},
    {"type": "query", "name": "key", "value": "env:A"},
]
PLAN = {"path": "/n", "total": "body.n"}
PAGES = [
    *({"style": style} for style in ("none", "auto", "link")),
    {"style": "offset", "plan": PLAN},
    {"style": "page", "plan": PLAN},
    {"style": "cursor", "next": "body.next", "into": {"query": "after"}},
    {"style": "keyset", "field": "id", "into": {"query": "after"}},
    {"style": "next", "next": "body.next"},
]
VENDOR = {"vendor": "acme", "base_url": "https://a.example"}
POLL = {"request": {"path": "/"}, "records": {"key": "id"}}
SOURCE = {"source": "orders", "vendor": "acme", "poll": POLL}
NOTICES = [{"webhook": "https://m.example"}, {"topic": True}]
OUTPUT: dict[str, Any] = {
    "sinks": [{"type": "postgres"}, {"type": "topic"}],
    "notify": NOTICES,
    "payloads": {"keep": "1d"},
}
INVOKE = {"submit": {"path": "/"}, "deadline": "1h", "status": {"request": {"path": "/"}}, "abort": {"path": "/"}}
JOBS: list[dict[str, Any]] = [
    {"url": "https://a.example/", "pages": {"style": "page"}},
    {"source": "orders", "notify": NOTICES},
    {"vendor": "acme", "poll": POLL, **OUTPUT},
    {"vendor": "acme", "invoke": INVOKE, "input": [{"a": 1}]},
    {"vendor": "acme", "request": {"path": "/"}, "answer": {}, "retry": {"backoff": {}}},
    {"deliver": "https://m.example", "event": {}, "retry": {}},
]
JOB: Any = JobSpecification
DOCUMENTS: list[tuple[Any, dict[str, Any]]] = [
    *((Vendor, {**VENDOR, "auth": auth}) for auth in AUTHS),
    *((Vendor, {**VENDOR, "callbacks": {"verify": verify, "outcome": {}}}) for verify in VERIFICATIONS),
    (Vendor, {**VENDOR, "budget": {"windows": [{"requests": 1, "per": "1s"}]}, "outcomes": [], "limits": {}}),
    *((Hook, {"hook": "acme", "verify": verify, "start": {"source": "o"}}) for verify in VERIFICATIONS),
    *((Source, {**SOURCE, "poll": {**POLL, "pages": pages}}) for pages in PAGES),
    (Source, {**SOURCE, **OUTPUT}),
    *((JOB, job) for job in JOBS),
    (Schedule, {"every": "1h", "publish": {"topic": "t", "event": {}}, "on_failure": {"notify": NOTICES}}),
]
FREE = {"event", "input"}
"""Fields below which names are the user's own."""
NAMES = ("hmac", "postgres", "link", "style", "type", "scheme", "str", "[key]", "a/b")
"""Names that no object has, some of them what pydantic calls members of unions."""


def objects(value: Any, at: tuple[int | str, ...] = ()) -> list[tuple[int | str, ...]]:
    """The places of a document's objects whose names are not the user's own."""
    if isinstance(value, list):
        return [place for index, one in enumerate(value) for place in objects(one, (*at, index))]
    if not isinstance(value, dict):
        return []
    return [at, *(place for name, one in value.items() if name not in FREE for place in objects(one, (*at, name)))]


@st.composite
def surplus(draw: st.DrawFn) -> tuple[Any, dict[str, Any], list[str]]:
    """A document with a few fields too many, and the pointers to them."""
    kind, document = draw(st.sampled_from(DOCUMENTS))
    document = deepcopy(document)
    pointers = []
    for place in draw(st.lists(st.sampled_from(objects(document)), min_size=1, max_size=3, unique=True)):
        found: Any = document
        for step in place:
            found = found[step]
        of_its_own = [one for one in found.values() if isinstance(one, str)]
        name = draw(st.sampled_from([one for one in (*of_its_own, *NAMES) if one not in found]))
        found[name] = None
        pointers.append("".join(f"/{step}" for step in (*place, name.replace("/", "~1"))))
    return kind, document, pointers


@given(surplus())
def test_a_field_too_many_is_reported_at_its_place(example: tuple[Any, dict[str, Any], list[str]]) -> None:
    kind, document, pointers = example
    assert sorted(found(kind, document)) == sorted((pointer, "unknown field") for pointer in pointers)


def found(kind: Any, document: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse(TypeAdapter(kind), document)
    return [(one.pointer, one.detail.partition(";")[0]) for one in caught.value.problems]


MISSING, UNKNOWN = "is missing and has no default", "unknown field"
SCALAR = "expected a text, a number, or true or false"


@pytest.mark.parametrize(
    ("kind", "document", "mistakes"),
    [
        (Source, {**SOURCE, "poll": {"pages": {"style": "next"}}}, {"/poll/pages/next": MISSING}),
        (
            Vendor,
            {**VENDOR, "auth": {"type": "header", "header": "X-Key", "token": "env:P"}},
            {"/auth/name": MISSING, "/auth/value": MISSING, "/auth/header": UNKNOWN, "/auth/token": UNKNOWN},
        ),
        (
            Vendor,
            {**VENDOR, "callbacks": {"verify": {"scheme": "token", "token": "env:A"}}},
            {"/callbacks/verify/secrets": MISSING, "/callbacks/verify/token": UNKNOWN},
        ),
        (
            Source,
            {**SOURCE, "sinks": [{"type": "postgres", "postgres": "x", "tabel": "y"}]},
            {"/sinks/0/postgres": UNKNOWN, "/sinks/0/tabel": UNKNOWN},
        ),
        (
            Source,
            {
                **SOURCE,
                "poll": {"request": {"headers": {"type": "v", "v": "ü"}, "query": {"a": [None], "b": {"str": 1}}}},
            },
            {
                "/poll/request/headers/v": "expected printable ASCII characters",
                "/poll/request/query/a/0": SCALAR,
                "/poll/request/query/b": SCALAR,
            },
        ),
    ],
)
def test_each_mistake_is_reported_once_at_its_place(kind: Any, document: Any, mistakes: dict[str, str]) -> None:
    assert sorted(found(kind, document)) == sorted(mistakes.items())


def test_of_very_many_mistakes_the_first_thousands_are_reported() -> None:
    fields = {str(number): 1 for number in range(10_000)}
    assert 1000 < len(found(Source, {**SOURCE, "poll": {"request": fields}})) <= 5000


@pytest.mark.parametrize(
    ("part", "pointer", "detail"),
    [
        ({"sinks": ["x"] * 9}, "/sinks", "expected at most 8 of them, got 9"),
        ({"notify": [{}] * 9}, "/notify", "expected at most 8 of them, got 9"),
        ({"parameters": {str(number): {} for number in range(101)}}, "/parameters", "expected at most 100 of them, g"),
        ({"input": [{"a": []}] * 10_001}, "/input", "expected at most 10000 of them, got 10001"),
        ({"request": {"query": {"a": [[]] * 600, "b": [[]] * 600}}}, "/request/query", "expected at most 1000 values"),
        ({"request": {"query": {"a" * 2049: [[]]}}}, "/request/query", "expected names of at most 2048 characters"),
    ],
)
def test_what_holds_too_much_is_one_mistake(part: dict[str, Any], pointer: str, detail: str) -> None:
    work: dict[str, Any] = {} if "request" in part else {"invoke": INVOKE} if "input" in part else {"poll": POLL}
    [(where, what)] = found(JOB, {"vendor": "acme", **work, **part})
    assert (where, what[: len(detail)]) == (pointer, detail)


def test_a_value_of_an_input_has_one_mistake() -> None:
    job = {"vendor": "acme", "invoke": INVOKE, "input": [{"a": [], "b": {}, "c": None}]}
    assert dict(found(JOB, job)) == {f"/input/0/{name}": SCALAR for name in "abc"}


def test_a_url_has_no_larger_query_than_a_request() -> None:
    [(pointer, detail)] = found(JOB, {"url": f"https://a.example/?{'a&' * 1000}"})
    assert (pointer, detail) == ("/url", "expected at most 1000 values in the query")


def test_the_name_and_the_value_of_a_header_are_two_mistakes() -> None:
    headers = {"bad key": "ü"}
    assert [pointer for pointer, _ in found(Source, {**SOURCE, "poll": {"request": {"headers": headers}}})] == [
        "/poll/request/headers/bad key",
        "/poll/request/headers/bad key",
    ]
