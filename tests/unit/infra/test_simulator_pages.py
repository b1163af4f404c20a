"""Pages of the simulated vendor, in every style, honest and not."""

import json
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulator.config import Misbehaviour, VendorConfig
from infra.simulator.pages import STYLES, Asked, BadRequest, Page, asked_in, open_listing
from infra.simulator.records import Records, Shape, first_since, render

RECORDS = Records(7)


def page(style: str, config: VendorConfig, query: dict[str, str], calls: int = 0) -> Page:
    asked = Asked("http://vendor.example/acme", query, calls)
    return STYLES[style].page(open_listing(config, RECORDS, asked, STYLES[style].size_name))


def after(style: str, query: dict[str, str], found: Page) -> dict[str, str] | None:
    """What a client asks next, following what the page says; None at the end."""
    body: Any = json.loads(found.body)
    match style:
        case "items":
            offset = int(query.get("offset", 0)) + len(body["items"])
            return {**query, "offset": str(offset)} if offset < body["meta"]["total"] else None
        case "pages":
            return {**query, "page": str(body["page"] + 1)} if body["page"] < body["pages"] else None
        case "cursor":
            return {**query, "cursor": body["next"]} if body["next"] else None
        case "next":
            return dict(parse_qsl(urlsplit(body["next"]).query)) if body["next"] else None
        case "link":
            first = (found.link or "").split(", ")[0]
            return dict(parse_qsl(urlsplit(first[1 : first.index(">")]).query)) if 'rel="next"' in first else None
        case _:
            return {**query, "after_id": str(body["data"][-1]["id"])} if body["has_more"] else None


def test_a_search_takes_numbers_that_are_numbers_and_a_cursor_that_is_a_text() -> None:
    assert asked_in({"offset": 5, "limit": 10}) == {"offset": "5", "limit": "10"}
    assert asked_in({"cursor": "a"}) == {"cursor": "a"}
    for body in ({"offset": "5"}, {"cursor": 5}, {"limit": True}, {"after_id": None}):
        with pytest.raises(BadRequest, match=next(iter(body))):
            asked_in(body)


def walk(style: str, config: VendorConfig, query: dict[str, str], pages_max: int = 500) -> list[int]:
    """Ids of all pages in order, following what each page says; gives up at `pages_max`."""
    ids: list[int] = []
    asked: dict[str, str] | None = query
    for calls in range(pages_max):
        if asked is None:
            break
        found = page(style, config, asked, calls)
        ids += [index + 1 for index in found.indices]
        asked = after(style, asked, found)
    return ids


@given(
    style=st.sampled_from(sorted(STYLES)),
    records=st.integers(0, 60),
    size=st.integers(1, 25),
    seconds=st.none() | st.integers(0, 59),
)
def test_every_style_walks_to_every_record_once(style: str, records: int, size: int, seconds: int | None) -> None:
    query = {STYLES[style].size_name: str(size)}
    if seconds is not None:
        query["updated_since"] = f"2026-01-01T00:00:{seconds:02d}Z"
    assert walk(style, VendorConfig(records=records, page_size_max=20), query) == list(
        range(1 + (seconds or 0), records + 1)
    )


@pytest.mark.parametrize("style", ["items", "cursor", "next", "keyset"])
def test_short_pages_lose_nothing_for_who_goes_on_after_what_it_got(style: str) -> None:
    config = VendorConfig(records=95, page_size_max=10, misbehaviour=Misbehaviour(pages="short"))
    assert len(page(style, config, {}).indices) == 5
    assert walk(style, config, {}) == list(range(1, 96))


def test_overlapping_pages_repeat_records_but_miss_none() -> None:
    config = VendorConfig(records=95, page_size_max=10, misbehaviour=Misbehaviour(pages="overlap"))
    ids = walk("cursor", config, {})
    assert set(ids) == set(range(1, 96)) and len(ids) == 95 + 9


def test_a_last_page_that_is_filled_up_begins_on_the_page_before_it() -> None:
    config = VendorConfig(records=95, page_size_max=10, misbehaviour=Misbehaviour(pages="filled"))
    assert [list(page("items", config, {"offset": str(at)}).indices) for at in (80, 90, 100)] == [
        list(range(80, 90)),
        *[list(range(85, 95))] * 2,
    ]


def test_a_repeating_vendor_shows_its_first_page_only() -> None:
    config = VendorConfig(records=95, page_size_max=10, misbehaviour=Misbehaviour(pages="repeat"))
    assert set(walk("pages", config, {})) == set(range(1, 11))


@pytest.mark.parametrize("style", ["cursor", "next", "link"])
def test_bad_cursors_have_no_end(style: str) -> None:
    def seen(cursor: Any) -> list[int]:
        config = VendorConfig(records=55, page_size_max=10, misbehaviour=Misbehaviour(cursor=cursor))
        return walk(style, config, {}, pages_max=50)

    assert seen("loops") == [*range(1, 31)] * 16 + [*range(1, 21)]
    assert seen("not_moving") == [*range(1, 11)] * 50
    assert seen("never_ends") == [*range(1, 56)]


def test_totals_can_be_missing_wrong_or_on_the_move() -> None:
    def metas(total: Any) -> list[Any]:
        config = VendorConfig(records=25, page_size_max=10, misbehaviour=Misbehaviour(total=total))
        return [json.loads(page("items", config, {}, calls).body)["meta"].get("total") for calls in range(4)]

    assert metas("missing") == [None] * 4
    assert metas("wrong_type") == ["plenty"] * 4
    assert metas("shrinks") == [25, 15, 5, 0]
    assert metas("grows") == [25, 35, 45, 55]


@pytest.mark.parametrize(
    ("style", "query"),
    [
        ("items", {"offset": "-1"}),
        ("items", {"limit": "0"}),
        ("pages", {"page": "0"}),
        ("pages", {"per_page": "ten"}),
        ("cursor", {"cursor": "nonsense"}),
        ("keyset", {"after_id": "9" * 30}),
        ("items", {"updated_since": "yesterday"}),
        ("items", {"updated_since": "2026-01-01"}),
    ],
)
def test_what_cannot_be_understood_is_refused(style: str, query: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        page(style, VendorConfig(), query)


@pytest.mark.parametrize("shape", get_args(Shape))
@given(start=st.integers(0, 200_000), size=st.integers(0, 130))
def test_a_record_looks_the_same_on_every_page(shape: Shape, start: int, size: int) -> None:
    indices = range(start, start + size)
    records = [json.loads(record) for record in render(7, indices, shape)]
    assert [record["id"] for record in records] == [index + 1 for index in indices]
    assert [record["updated_at"] for record in records] == sorted(record["updated_at"] for record in records)
    assert render(7, indices, shape) == [b"".join(render(7, range(index, index + 1), shape)) for index in indices]
    assert [first_since(record["updated_at"]) for record in records] == list(indices)


def test_a_nested_record_is_an_order_with_its_customer_and_lines() -> None:
    records = [json.loads(record) for record in render(7, range(3_000), "nested")]
    flat = [json.loads(record) for record in render(7, range(3_000))]
    assert [{name: record[name] for name in flat[0]} for record in records] == flat
    assert {len(record["lines"]) for record in records} == {1, 2, 3}
    assert all(record["customer"]["email"] and line["sku"] for record in records for line in record["lines"])


def test_the_cache_stays_within_its_bound() -> None:
    small = Records(7, cache_bytes=3_000)
    for start in (0, 10, 20, 0, 500):
        rows = range(start, start + 10)
        assert small.rows(rows) == b",".join(render(7, rows))
