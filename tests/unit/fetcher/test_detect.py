"""Automatic paging of answers as they are in real life: none of them is taken for everything."""

from typing import Any

import orjson
import pytest

from services.fetcher.call.detect import detect
from services.fetcher.call.facts import AnswerOrigin, read_facts
from shared.events.tasks import FactsWanted
from shared.specification.bodies import read_json

URL = "https://api.acme.example/v2/orders"
ITEMS = [{"id": number} for number in range(20)]


def shown(content: Any, url: str = URL) -> tuple[str, str]:
    found = detect(content, None, len(ITEMS), url)
    return found["detected"], found.get("detected_in", "")


@pytest.mark.parametrize(
    ("content", "style", "place"),
    [
        # Spring Data, and its model of a page
        (
            {"content": ITEMS, "totalElements": 1000, "totalPages": 50, "last": False, "number": 0, "size": 20},
            "page",
            "body.totalElements",
        ),
        ({"content": ITEMS, "page": {"number": 0, "totalElements": 1000}}, "page", "body.page.totalElements"),
        # TMDB
        ({"page": 1, "results": ITEMS, "total_pages": 50, "total_results": 1000}, "page", "body.total_results"),
        # Laravel: a collection of resources, and a paginator
        ({"data": ITEMS, "meta": {"current_page": 1, "last_page": 50, "total": 1000}}, "page", "body.meta.total"),
        ({"data": ITEMS, "current_page": 1, "next_page_url": f"{URL}?page=2"}, "next", "body.next_page_url"),
        ({"data": ITEMS, "meta": {"pagination": {"total": 1000}}}, "offset", "body.meta.pagination.total"),
        # Salesforce
        (
            {"totalSize": 1000, "done": False, "nextRecordsUrl": "/services/data/v60.0/query/01g-20", "records": ITEMS},
            "next",
            "body.nextRecordsUrl",
        ),
        # HubSpot, with its link and without
        ({"results": ITEMS, "paging": {"next": {"after": "20", "link": f"{URL}?after=20"}}}, "next", None),
        ({"results": ITEMS, "paging": {"next": {"after": "20"}}}, "cursor", "after=body.paging.next.after"),
        # Bitbucket, Asana, Cloudflare, Algolia
        ({"values": ITEMS, "isLastPage": False, "nextPageStart": 20}, "cursor", "start=body.nextPageStart"),
        ({"data": ITEMS, "next_page": {"offset": "x", "uri": f"{URL}?offset=x"}}, "next", "body.next_page.uri"),
        ({"result": ITEMS, "result_info": {"page": 1, "total_count": 400}}, "page", "body.result_info.total_count"),
        ({"hits": ITEMS, "page": 0, "nbHits": 400, "nbPages": 20}, "page", "body.nbHits"),
        ({"data": ITEMS, "next_page": 2}, "cursor", "page=body.next_page"),
        ({"data": ITEMS, "next_page": 1726000000000000}, "cursor", "page=body.next_page"),
        ({"data": ITEMS, "pagination": {"page": 1, "next": 2}}, "cursor", "page=body.pagination.next"),
        ({"data": ITEMS, "total_items": 400}, "offset", "body.total_items"),
        ({"data": ITEMS, "total": "400"}, "offset", "body.total"),
        ({"data": ITEMS, "total": 400.0}, "offset", "body.total"),
        ({"data": ITEMS, "next_offset": 20.0}, "cursor", "offset=body.next_offset"),
    ],
)
def test_what_leads_on_is_followed(content: Any, style: str, place: str | None) -> None:
    detected, detected_in = shown(content)
    assert detected == style
    assert place in (None, detected_in)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"items": ITEMS, "page": 1, "total_pages": 50}, "body.total_pages"),
        ({"items": ITEMS, "totalPages": "50"}, "body.totalPages"),
        ({"items": ITEMS, "meta": {"current_page": 1, "last_page": 50}}, "body.meta.last_page"),
        ({"items": ITEMS, "page": 1, "pages": 50}, "body.pages"),
        ({"items": ITEMS, "last": False}, "body.last"),
        ({"values": ITEMS, "isLast": False}, "body.isLast"),
        ({"records": ITEMS, "done": False}, "body.done"),
        ({"items": ITEMS, "hasMore": "true"}, "body.hasMore"),
        ({"Contents": ITEMS, "IsTruncated": True}, "body.IsTruncated"),
        ({"Items": ITEMS, "LastEvaluatedKey": {"id": {"S": "20"}}}, "body.LastEvaluatedKey"),
        ({"pageInfo": {"hasNextPage": True, "endCursor": "x"}, "edges": ITEMS}, "body.pageInfo.hasNextPage"),
        (
            {"data": {"orders": {"edges": ITEMS, "pageInfo": {"hasNextPage": True, "endCursor": "x"}}}},
            "body.data.orders.pageInfo.hasNextPage",
        ),
        ({"items": ITEMS, "nextPage": "eyJrIjoyMH0="}, "body.nextPage"),
    ],
)
def test_what_tells_only_that_there_is_more_is_not_taken_for_everything(content: Any, place: str) -> None:
    assert shown(content) == ("unknown", place)


def test_a_total_above_an_empty_page_is_not_taken_for_nothing() -> None:
    assert detect({"items": [], "total": 400}, None, 0, URL)["detected"] == "unknown"
    assert detect({"items": [], "total": 400}, None, 0, f"{URL}?offset=400")["detected"] == "none"


def test_pages_that_are_counted_from_zero_are_known_by_the_first() -> None:
    found = detect({"content": ITEMS, "totalElements": 1000, "number": 0}, None, 20, URL)
    assert (found["total"], found["first"]) == (1000, 0)
    assert "first" not in detect({"content": ITEMS, "totalElements": 1000, "number": 1}, None, 20, URL)


@pytest.mark.parametrize(
    "content",
    [
        {"items": ITEMS, "page": 1},
        {"items": ITEMS, "page": 1, "total_pages": 1},
        {"items": ITEMS, "total": "20", "page": 1},
        {"items": ITEMS, "first": "Ada", "last": "Lovelace"},
        {"items": ITEMS, "last": True, "next_page": None},
        {"items": ITEMS, "done": True, "totalSize": 20},
        {"items": ITEMS, "isLastPage": True, "nextPageStart": None},
        {"items": ITEMS, "pageInfo": {"hasNextPage": False, "endCursor": "x"}},
        {"items": ITEMS, "meta": {"current_page": 1, "last_page": 1, "total": 20}},
        {"items": ITEMS, "paging": {"cursors": {"before": "a", "after": "b"}}},
        {"items": ITEMS, "next_page": False},
        {"title": "A book", "authors": ["Ada"], "pages": 312},
        {"id": 1, "title": "A thing to do", "done": False},
        {"id": 7, "total": 400, "customer": {"number": 12}},
        {"items": ITEMS, "total": None, "count": 20},
        {"items": ITEMS, "total": 400.5},
        {"items": ITEMS, "total": 10**15},
        {"items": [{"total": 400, "has_more": True}]},
    ],
)
def test_a_harmless_answer_is_a_single_page(content: Any) -> None:
    assert shown(content) == ("none", "")


def test_the_last_page_that_was_asked_for_by_its_number_is_the_end() -> None:
    assert shown({"items": ITEMS, "total_pages": 50}, f"{URL}?page=50") == ("none", "")
    assert shown({"items": ITEMS, "number": 49, "totalPages": 50, "last": True}) == ("none", "")


@pytest.mark.parametrize("value", [400, 400.0, "400", "0400", 10**15 - 1, -1, 10**15, "1" * 16, 400.5, True, None, []])
def test_a_total_is_the_same_number_to_who_names_its_place_and_to_who_does_not(value: Any) -> None:
    body = orjson.dumps({"items": ITEMS, "total": value})
    answer = AnswerOrigin(200, {}, URL)
    named = read_facts(FactsWanted(total="body.total"), answer, body, read_json(body))
    assert read_facts(FactsWanted(detect=True), answer, body, read_json(body)).total == named.total
