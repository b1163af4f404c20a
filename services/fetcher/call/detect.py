"""Automatic paging: which style an answer shows. Pure."""

from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

_NEXT_URLS = (
    ("next",),
    ("links", "next"),
    ("_links", "next", "href"),
    ("paging", "next"),
    ("pagination", "next"),
    ("meta", "next"),
    ("next_url",),
    ("nextLink",),
    ("@odata.nextLink",),
    ("@nextLink",),
)
_CURSORS = (
    (("next_cursor",), "cursor"),
    (("nextCursor",), "cursor"),
    (("cursor", "next"), "cursor"),
    (("meta", "next_cursor"), "cursor"),
    (("response_metadata", "next_cursor"), "cursor"),
    (("next_page_token",), "page_token"),
    (("nextPageToken",), "pageToken"),
    (("continuation_token",), "continuation_token"),
    (("next",), "cursor"),
)
_TOTALS = (("total",), ("total_count",), ("totalCount",), ("count",), ("meta", "total"), ("pagination", "total"))
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage", "more")
_MORE_PLACES = ((), ("meta",), ("pagination",), ("paging",), ("page_info",), ("pageInfo",))
_PAGE_NUMBERS = (("page",), ("current_page",), ("meta", "page"), ("meta", "current_page"), ("pagination", "page"))


def detect(content: Any, link: str | None, items: int, url: str) -> dict[str, Any]:
    """The facts `detected`, `detected_in`, `next` and `total`, in the order: a link, a next URL, a cursor, a total. An
    answer that says that there is more, but not where, is `unknown`, lest its first page is taken for everything."""
    if link is not None:
        return {"detected": "link", "detected_in": "the Link header", "next": link}
    if not isinstance(content, dict):
        return {"detected": "none"}
    for path in _NEXT_URLS:
        found = _at(content, path)
        if isinstance(found, str) and found.startswith(("http://", "https://", "/", "?")):
            return {"detected": "next", "detected_in": _expression(path), "next": urljoin(url, found)}
    for path, parameter in _CURSORS:
        found = _at(content, path)
        if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "":
            return {"detected": "cursor", "detected_in": f"{parameter}={_expression(path)}", "next": str(found)}
    return _by_total(content, items, url)


def _by_total(content: dict[str, Any], items: int, url: str) -> dict[str, Any]:
    for path in _TOTALS:
        total = _at(content, path)
        if isinstance(total, int) and not isinstance(total, bool) and total > items > 0:
            asked = {name for name, _ in parse_qsl(urlsplit(url).query)}
            numbered = "page" in asked or any(isinstance(_at(content, page), int) for page in _PAGE_NUMBERS)
            return {"detected": "page" if numbered else "offset", "detected_in": _expression(path), "total": total}
    for place in _MORE_PLACES:
        for name in _MORE:
            if _at(content, (*place, name)) is True:
                return {"detected": "unknown", "detected_in": _expression((*place, name))}
    return {"detected": "none"}


def _at(content: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _expression(path: tuple[str, ...]) -> str:
    return ".".join(("body", *(name if name.isidentifier() else f'"{name}"' for name in path)))
