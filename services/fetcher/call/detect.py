"""Automatic paging: which style an answer shows. Pure.

The tables below hold how vendors spell it. What leads on is followed; what only tells that there is more fails the job,
lest its first page is taken for everything.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from services.fetcher.call.whole_number import whole_number

Path = tuple[str, ...]

_PLACES: tuple[Path, ...] = (
    (),
    ("meta",),
    ("_meta",),
    ("metadata",),
    ("pagination",),
    ("meta", "pagination"),
    ("meta", "page"),
    ("paging",),
    ("page",),
    ("pages",),
    ("page_info",),
    ("pageInfo",),
    ("result_info",),
    ("info",),
    ("response_metadata",),
    ("cursor",),
)
"""Where an answer may speak of its pages, beside its records."""

_NEXT_URLS = (
    ("next",),
    ("links", "next"),
    ("links", "next", "href"),
    ("_links", "next"),
    ("_links", "next", "href"),
    ("meta", "links", "next"),
    ("meta", "pagination", "links", "next"),
    ("pagination", "links", "next"),
    ("paging", "next"),
    ("paging", "next", "link"),
    ("pagination", "next"),
    ("pages", "next"),
    ("info", "next"),
    ("meta", "next"),
    ("next_url",),
    ("pagination", "next_url"),
    ("meta", "next_url"),
    ("next_page_url",),
    ("nextPageUrl",),
    ("next_page",),
    ("next_page", "uri"),
    ("nextPage",),
    ("next_link",),
    ("nextLink",),
    ("nextRecordsUrl",),
    ("@odata.nextLink",),
    ("odata.nextLink",),
    ("@nextLink",),
    ("d", "__next"),
)
_CURSORS = (
    ("next_cursor", "cursor"),
    ("nextCursor", "cursor"),
    ("next_page_token", "page_token"),
    ("nextPageToken", "pageToken"),
    ("next_token", "next_token"),
    ("nextToken", "nextToken"),
    ("continuation_token", "continuation_token"),
    ("continuationToken", "continuationToken"),
    ("nextPageStart", "start"),
    ("next_offset", "offset"),
    ("nextOffset", "offset"),
)
"""A name in one of the places, and the parameter that it is asked back with."""
_CURSOR_PATHS = ((("cursor", "next"), "cursor"), (("paging", "next", "after"), "after"), (("next",), "cursor"))
_NEXT_PAGES = ("next_page", "nextPage", "next")
_TOTALS = (
    *("total", "total_count", "totalCount", "total_items", "totalItems", "total_results", "totalResults"),
    *("total_elements", "totalElements", "total_records", "totalRecords", "total_size", "totalSize", "total_rows"),
    *("recordsTotal", "nbHits", "@odata.count", "odata.count", "count"),
)
_TOTAL_PATHS = (("hits", "total", "value"), ("hits", "total"), ("response", "numFound"), ("d", "__count"))
_PAGE_COUNTS = (
    *("total_pages", "totalPages", "page_count", "pageCount", "pages_count", "last_page", "lastPage"),
    *("num_pages", "numPages", "nbPages"),
)
_PAGES_BESIDE_A_NUMBER = "pages"
"""The number of pages where that of this page stands beside it; a book has pages, too."""
_PAGE_NUMBERS = ("page", "current_page", "currentPage", "page_number", "pageNumber", "number")
_MORE = (
    *("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage", "more"),
    *("truncated", "is_truncated", "isTruncated", "IsTruncated"),
)
_LAST = ("last", "is_last", "isLast", "is_last_page", "isLastPage", "done")
_REST = ("LastEvaluatedKey", "NextToken", "NextMarker", "NextContinuationToken", "next_page", "nextPage")
"""Whatever stands there is where the rest begins, in a way that only this vendor knows."""

_DEEPEST = 4


def detect(content: Any, link: str | None, items: int, url: str) -> dict[str, Any]:
    """The facts `detected`, `detected_in`, `next`, `total` and `first`, in the order: a link, a next URL, a cursor, a
    total, the number of the next page. An answer that says that there is more, but not where, is `unknown`. One without
    any list is a single thing, whatever stands in it: an order has a total, too."""
    if link is not None:
        return {"detected": "link", "detected_in": "the Link header", "next": link}
    if not isinstance(content, dict):
        return {"detected": "none"}
    found = _by_url(content, url) or _by_cursor(content)
    if found is None and any(isinstance(inner, list) for _, place in _objects(content) for inner in place.values()):
        asked = dict(parse_qsl(urlsplit(url).query))
        found = _by_total(content, items, asked) or _by_next_page(content) or _by_sign(content, asked)
    return found or {"detected": "none"}


def _by_url(content: dict[str, Any], url: str) -> dict[str, Any] | None:
    for path in _NEXT_URLS:
        found = _at(content, path)
        if isinstance(found, str) and found.startswith(("http://", "https://", "/", "?")):
            return {"detected": "next", "detected_in": _expression(path), "next": urljoin(url, found)}
    return None


def _by_cursor(content: dict[str, Any]) -> dict[str, Any] | None:
    everywhere = ((path, parameter) for name, parameter in _CURSORS for path in _paths((name,)))
    for path, parameter in (*everywhere, *_CURSOR_PATHS):
        found = _at(content, path)
        if isinstance(found, float):
            found = whole_number(found)
        if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "":
            return {"detected": "cursor", "detected_in": f"{parameter}={_expression(path)}", "next": str(found)}
    return None


def _by_total(content: dict[str, Any], items: int, asked: dict[str, str]) -> dict[str, Any] | None:
    for path in (*_paths(_TOTALS), *_TOTAL_PATHS):
        total = whole_number(_at(content, path))
        if total is None or total <= items:
            continue
        if items == 0:
            return None if asked.keys() & {"page", "offset"} else _unknown(path)
        page = _first_whole(content, _PAGE_NUMBERS)
        numbered = "page" in asked or page is not None or _first_whole(content, _PAGE_COUNTS) is not None
        found = {"detected": "page" if numbered else "offset", "detected_in": _expression(path), "total": total}
        return found | ({"first": 0} if page == 0 else {})
    return None


def _by_next_page(content: dict[str, Any]) -> dict[str, Any] | None:
    for path in _paths(_NEXT_PAGES):
        found = _at(content, path)
        # Nothing is counted by it, so it may be of any length.
        number = found if type(found) is int else whole_number(found)
        if number and number > 0:
            return {"detected": "cursor", "detected_in": f"page={_expression(path)}", "next": str(number)}
    return None


def _by_sign(content: dict[str, Any], asked: dict[str, str]) -> dict[str, Any] | None:
    """Whatever says that there is more. A number of pages does not, where something else says that this is the end."""
    flagged = chain(_flagged_anywhere(content, _MORE, True), _flagged(content, _LAST, False))
    is_end = any(chain(_flagged(content, _MORE, False), _flagged(content, _LAST, True)))
    page = _first_whole(content, _PAGE_NUMBERS)
    counts = _PAGE_COUNTS if page is None else (*_PAGE_COUNTS, _PAGES_BESIDE_A_NUMBER)
    here = max(1, page or whole_number(asked.get("page")) or 1)
    counted = (path for path in _paths(counts) if not is_end and (whole_number(_at(content, path)) or 0) > here)
    rest = (path for path in _paths(_REST) if _at(content, path))
    path = next(chain(flagged, counted, rest), None)
    return None if path is None else _unknown(path)


def _unknown(path: Path) -> dict[str, Any]:
    return {"detected": "unknown", "detected_in": _expression(path)}


def _paths(names: tuple[str, ...]) -> Iterator[Path]:
    return ((*place, name) for name in names for place in _PLACES)


def _flagged(content: dict[str, Any], names: tuple[str, ...], flag: bool) -> Iterator[Path]:
    return (path for path in _paths(names) if _flag(_at(content, path)) is flag)


def _flagged_anywhere(content: dict[str, Any], names: tuple[str, ...], flag: bool) -> Iterator[Path]:
    """Outside of lists, that is: answers to GraphQL have places of their own."""
    found = ((*place, name) for place, inner in _objects(content) for name in names if name in inner)
    return (path for path in found if _flag(_at(content, path)) is flag)


def _objects(content: dict[str, Any], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    yield at, content
    if len(at) < _DEEPEST:
        for name, inner in content.items():
            if isinstance(inner, dict):
                yield from _objects(inner, (*at, name))


def _first_whole(content: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((number for path in _paths(names) if (number := whole_number(_at(content, path))) is not None), None)


def _flag(value: Any) -> bool | None:
    """True or false, also as text; a last name is neither."""
    return {"true": True, "false": False}.get(str(value).lower()) if isinstance(value, (bool, str)) else None


def _at(content: Any, path: Path) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _expression(path: Path) -> str:
    return ".".join(("body", *(name if name.isidentifier() else f'"{name}"' for name in path)))
