"""What an answer says about pages; whatever is wrong with it is a fact, too."""

import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from services.fetcher.call.facts import AnswerOrigin, link_next, read_facts
from shared.events.tasks import Facts, FactsWanted
from shared.specification.bodies import read_json

URL = "https://api.acme.example/v2/orders?limit=2"


def facts(wanted: FactsWanted, content: Any, headers: dict[str, str] | None = None) -> Facts:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return read_facts(wanted, AnswerOrigin(200, headers or {}, URL), body, read_json(body))


def test_totals_and_items_are_read() -> None:
    wanted = FactsWanted(total="body.meta.total", pages='headers."x-pages"', size="status", select="body.data[]")
    found = facts(wanted, {"meta": {"total": 7}, "data": [{}, {}]}, {"x-pages": "4"})
    assert (found.total, found.pages, found.size, found.items, found.problem) == (7, 4, 200, 2, "")


def test_the_digest_is_that_of_the_bytes() -> None:
    assert facts(FactsWanted(), b"[1]").digest == hashlib.sha256(b"[1]").hexdigest()


@pytest.mark.parametrize(
    ("content", "items"),
    [
        ([1, 2], 2),
        ({"x": [1], "data": [1, 2, 3]}, 3),
        ({"hits": [], "other": [1]}, 0),
        ({"things": [{}, {}]}, 2),
        ({"a": [1], "b": [1]}, 1),
        ({"id": 1}, 1),
    ],
)
def test_the_list_in_the_body_is_found(content: Any, items: int) -> None:
    assert facts(FactsWanted(), content).items == items


@pytest.mark.parametrize(
    ("content", "select", "has_list"),
    [
        ([], None, True),
        ({"things": [{}]}, None, True),
        ({"items": None}, None, True),
        ({"rows": {"id": 1}}, "body.rows", True),
        ({"id": 1}, None, False),
        ({"id": 1}, "body", False),
    ],
)
def test_a_page_tells_whether_it_had_a_list(content: Any, select: str | None, has_list: bool) -> None:
    assert facts(FactsWanted(select=select), content).has_list is has_list


def test_where_a_list_is_expected_a_lone_object_is_a_problem() -> None:
    found = facts(FactsWanted(next="body.next", expects_list=True), {"error": "internal", "next": "c9"})
    assert (found.items, found.has_list) == (None, False)
    assert found.problem == "no list of records is where it was expected"


def test_where_a_list_is_expected_an_expression_may_make_one_of_a_lone_object() -> None:
    found = facts(FactsWanted(select="to_array(body)", expects_list=True), {"id": 101})
    assert (found.items, found.problem) == (1, "")


@pytest.mark.parametrize("content", [{}, [], {"data": None}, {"data": []}, {"next": "", "count": 0}])
def test_where_a_list_is_expected_an_object_with_nothing_in_it_is_an_empty_page(content: Any) -> None:
    found = facts(FactsWanted(expects_list=True), content)
    assert (found.items, found.problem) == (0, "")


@pytest.mark.parametrize(
    "select",
    [
        "body.data",
        "body.data[]",
        "body.data[?open]",
        "body.data[?id > `5`].lines[]",
        "body.data[].lines[]",
        "body.data[*].{id: id}",
        "body.data | [?open]",
        'body."data"[?open]',
    ],
)
def test_what_the_vendor_put_on_the_page_is_counted_whatever_is_selected_from_it(select: str) -> None:
    data = [{"id": number, "open": number == 0, "lines": [1, 2, 3]} for number in range(5)]
    found = facts(FactsWanted(select=select, last="id"), {"data": data})
    assert (found.items, found.next) == (5, "4")


@pytest.mark.parametrize("select", ["body.data", "body.data[]", "body.data[?open].lines[]"])
def test_a_list_that_is_null_is_an_empty_page(select: str) -> None:
    found = facts(FactsWanted(select=select, total="body.total", last="id"), {"data": None, "total": 0})
    assert (found.items, found.total, found.next, found.problem) == (0, 0, None, "")


@pytest.mark.parametrize(
    ("select", "items"), [("sort_by(body.data, &id)", 2), ("body.data[0].lines[]", 3), ("abs(body.data)", None)]
)
def test_a_selection_that_begins_otherwise_counts_as_its_records(select: str, items: int | None) -> None:
    data = [{"id": 1, "lines": [1, 2, 3]}, {"id": 2}]
    assert facts(FactsWanted(select=select), {"data": data}).items == items


@pytest.mark.parametrize("value", [-1, 1.5, "many", None, True, [], "1" * 40, 10**15])
def test_a_total_that_is_no_whole_number_is_a_problem(value: Any) -> None:
    found = facts(FactsWanted(total="body.total"), {"total": value, "items": [1]})
    assert found.total is None
    assert found.problem.startswith("body.total: expected a whole number")
    assert found.items == 1


@pytest.mark.parametrize(("value", "total"), [(3, 3), ("12", 12), (4.0, 4), (0, 0)])
def test_totals_come_in_several_spellings(value: Any, total: int) -> None:
    assert facts(FactsWanted(total="body.total"), {"total": value, "items": []}).total == total


def test_a_selection_that_would_make_too_much_of_a_body_is_a_problem() -> None:
    ten = f"[{', '.join('@' * 10)}][]"
    select = f"[body.d] | [0] | {ten} | {ten} | {ten}"
    found = facts(FactsWanted(select=select, total="body.total"), {"d": list(range(10_000)), "total": 7})
    assert (found.items, "more than 3000000 values" in found.problem) == (None, True)
    keyset = FactsWanted(select=f"body.d | {ten} | {ten} | {ten}", last="id")
    found = facts(keyset, {"d": list(range(10_000))})
    assert (found.items, found.next, "more than 3000000 values" in found.problem) == (10_000, None, True)


def test_a_place_without_a_list_is_a_problem() -> None:
    assert "no list of records" in facts(FactsWanted(select="body.data[]"), {"data": 7}).problem


@pytest.mark.parametrize(
    ("value", "cursor"),
    [
        ("abc", "abc"),
        ("/9j/4AAQSkZJRg==", "/9j/4AAQSkZJRg=="),
        ("?x", "?x"),
        (17, "17"),
        (17.0, "17"),
        (1.5, "1.5"),
        (0, "0"),
        (0.0, "0"),
        ([7], "[7]"),
        (None, None),
        ("", None),
        (False, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_cursor_is_taken_as_it_is(value: Any, cursor: str | None) -> None:
    found = facts(FactsWanted(next="body.next"), {"items": [], "next": value})
    assert (found.next, found.problem) == (cursor, "")


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("https://api.acme.example/v2/orders?page=2", "https://api.acme.example/v2/orders?page=2"),
        ("/v2/orders?page=2", "https://api.acme.example/v2/orders?page=2"),
        ("?page=2", "https://api.acme.example/v2/orders?page=2"),
        (None, None),
        ([], None),
    ],
)
def test_a_next_link_is_made_absolute(value: Any, link: str | None) -> None:
    assert facts(FactsWanted(next="body.next", link=True), {"items": [], "next": value}).next == link


@pytest.mark.parametrize(
    ("wanted", "headers"),
    [
        (FactsWanted(next="body.next"), {}),
        (FactsWanted(link=True), {"link": f"</{'a' * 5000}>; rel=next"}),
        (FactsWanted(link=True), {"link": "<https://[bad>; rel=next"}),
    ],
)
def test_a_way_on_that_cannot_be_taken_is_a_problem_and_not_the_end(
    wanted: FactsWanted, headers: dict[str, str]
) -> None:
    found = facts(wanted, {"items": [], "next": "x" * 5000}, headers)
    assert found.next is None
    assert found.problem


@pytest.mark.parametrize(
    ("value", "text", "whole"),
    [
        (7, "7", True),
        (0, "0", True),
        (10**30, str(10**30), True),
        ("7", "7", False),
        (1.5, "1.5", False),
        (None, None, False),
        (True, "true", False),
    ],
)
def test_a_cursor_that_is_a_number_is_told_as_one(value: Any, text: str | None, whole: bool) -> None:
    found = facts(FactsWanted(next="body.next"), to_json({"next": value, "data": []}))
    assert (found.next, found.next_is_whole) == (text, whole)
    found = facts(FactsWanted(last="id"), to_json([{"id": value}]))
    assert (found.next, found.next_is_whole) == (text, whole)


def test_the_last_records_key_leads_on() -> None:
    assert facts(FactsWanted(last="id"), [{"id": 3}, {"id": 9}]).next == "9"
    assert facts(FactsWanted(last="record.id"), [{"id": 3}, {"id": 9}]).next == "9"
    assert facts(FactsWanted(last="id"), []).next is None
    assert facts(FactsWanted(last="id"), [{"id": []}]).next is None


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a.example/2>; rel="next"', "https://a.example/2"),
        ("</2>; rel=next", "https://api.acme.example/2"),
        ('<?p=1>; rel="prev", <?p=3>; rel="next"', "https://api.acme.example/v2/orders?p=3"),
        ('</2>; title="a, b; rel=prev"; rel="last next"', "https://api.acme.example/2"),
        ("</2> ; REL = NEXT", "https://api.acme.example/2"),
        ('</2?a=1,2;3>; rel="next"', "https://api.acme.example/2?a=1,2;3"),
        ('</2>; rel="prev"', None),
        ('</2>; rel="nextish"', None),
        ("", None),
        ("rel=next", None),
    ],
)
def test_link_headers(header: str, target: str | None) -> None:
    assert link_next({"link": header}, URL) == target


@pytest.mark.parametrize(
    ("content", "headers", "style", "place", "following"),
    [
        (
            {"items": [1]},
            {"link": "<?p=2>; rel=next"},
            "link",
            "the Link header",
            "https://api.acme.example/v2/orders?p=2",
        ),
        ({"items": [1], "next": "/x?p=2"}, {}, "next", "body.next", "https://api.acme.example/x?p=2"),
        ({"links": {"next": "?p=2"}}, {}, "next", "body.links.next", "https://api.acme.example/v2/orders?p=2"),
        (
            {"_links": {"next": {"href": "https://a.example/"}}},
            {},
            "next",
            "body._links.next.href",
            "https://a.example/",
        ),
        (
            {"value": [1], "@odata.nextLink": "https://a.example/2"},
            {},
            "next",
            'body."@odata.nextLink"',
            "https://a.example/2",
        ),
        ({"items": [1], "next_cursor": "abc"}, {}, "cursor", "cursor=body.next_cursor", "abc"),
        ({"items": [1], "nextPageToken": "t"}, {}, "cursor", "pageToken=body.nextPageToken", "t"),
        ({"items": [1], "next_cursor": None}, {}, "none", "", None),
        ({"items": [1, 2], "total": 9}, {}, "offset", "body.total", None),
        ({"items": [1, 2], "total": 9, "page": 1}, {}, "page", "body.total", None),
        ({"items": [1, 2], "total": 2}, {}, "none", "", None),
        ({"items": [1, 2], "has_more": True}, {}, "unknown", "body.has_more", None),
        ({"items": [1], "pagination": {"hasNext": True}}, {}, "unknown", "body.pagination.hasNext", None),
        ({"items": [1], "has_more": True, "next_cursor": "c"}, {}, "cursor", "cursor=body.next_cursor", "c"),
        ({"items": [1, 2], "has_more": False}, {}, "none", "", None),
        ([1, 2], {}, "none", "", None),
    ],
)
def test_the_style_of_paging_is_detected(
    content: Any, headers: dict[str, str], style: str, place: str, following: str | None
) -> None:
    found = facts(FactsWanted(detect=True), content, headers)
    assert (found.detected, found.detected_in, found.next) == (style, place, following)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["items", "next", "total", "links", "page", "next_cursor", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json, st.text())
def test_no_answer_is_an_exception(content: Any, link: str) -> None:
    wanted = FactsWanted(total="body.total", next="body.next", select="body.items[]", detect=True, link=True)
    for one in (wanted, FactsWanted(last="x"), FactsWanted(link=True), FactsWanted(detect=True)):
        assert read_facts(one, AnswerOrigin(200, {"link": link}, URL), b"", content).digest
