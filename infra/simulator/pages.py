"""Request to page, in every pagination style, honest or not. Pure.

A listing shows the records [first, first + count); positions count from 0 inside it. A style turns what was asked
into a position, `cut` says which records the page carries and where it leaves off, `following` what comes next.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from infra.simulator.config import Misbehaviour, VendorConfig
from infra.simulator.records import Records, first_since

_DIGITS_MAX = 18


class BadRequest(ValueError):
    """The request cannot be understood; answered with 400."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A listing request."""

    base_url: str
    """Scheme, host and vendor, for the links in answers."""
    query: Mapping[str, str]
    calls: int = 0
    """Listing requests the vendor answered before this one; only shrinking and growing vendors look at it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the indices of its records, its body, and its Link header where the style has one."""

    indices: range
    body: bytes
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a request may page through."""

    config: VendorConfig
    records: Records
    asked: Asked
    first: int
    count: int
    limit: int

    @property
    def misbehaviour(self) -> Misbehaviour:
        """How the vendor breaks its paging."""
        return self.config.misbehaviour

    def total(self, name: bytes, number: int) -> bytes:
        """A JSON member that tells how much there is, with a comma behind it; or a false one, or none."""
        match self.misbehaviour.total:
            case "missing":
                return b""
            case "wrong_type":
                return b'"%s":"plenty",' % name
            case "too_low":
                return b'"%s":%d,' % (name, number // 10)
            case _:
                return b'"%s":%d,' % (name, number)

    def url(self, path: str, **changes: int) -> str:
        """The address of another page of the same listing."""
        return f"{self.asked.base_url}/{path}?{urlencode({**self.asked.query, **changes})}"


def open_listing(config: VendorConfig, records: Records, asked: Asked, size_name: str = "limit") -> Listing:
    """The listing that a request asks for; `size_name` is the parameter with the wished page size."""
    limit = min(number(asked.query, size_name, config.page_size_max, least=1), config.page_size_max)
    try:
        first = first_since(asked.query["updated_since"]) if "updated_since" in asked.query else 0
    except ValueError as error:
        raise BadRequest(f"updated_since: {error}") from error
    total = config.records
    if config.misbehaviour.total == "shrinks":
        total = max(0, total - asked.calls * limit)
    elif config.misbehaviour.total == "grows":
        total += asked.calls * limit
    return Listing(config, records, asked, first, max(0, total - first), limit)


def number(query: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    """A whole number of the query."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX) or int(text) < least:
        raise BadRequest(f"{name} must be a whole number of at least {least}, got {text!r}")
    return int(text)


def asked_in(body: Mapping[str, object]) -> dict[str, str]:
    """What a search asks for, as a query would. Numbers must be numbers, and the cursor a text."""
    for name, value in body.items():
        expected = str if name == "cursor" else int
        if isinstance(value, bool) or not isinstance(value, expected):
            raise BadRequest(f"{name} must be {'a text' if expected is str else 'a whole number'}, got {value!r}")
    return {name: str(value) for name, value in body.items()}


def cut(listing: Listing, position: int) -> tuple[range, int]:
    """The indices of the page that begins at a position, and how far it gets."""
    start, size = position, listing.limit
    match listing.misbehaviour.pages:
        case "short":
            size = max(1, size // 2)
        case "repeat":
            start = 0
        case "overlap":
            start = max(0, position - max(1, size // 10))
            size += position - start
        case "filled":
            start = max(0, min(position, listing.count - size))
        case "honest":
            pass
    begin, end = min(start, listing.count), min(start + size, listing.count)
    reached = position + listing.limit if listing.misbehaviour.pages != "short" else position + size
    return range(listing.first + begin, listing.first + end), reached


def following(listing: Listing, position: int, reached: int) -> int | None:
    """Where the next page begins, or None behind the last one."""
    more = reached < listing.count
    match listing.misbehaviour.cursor:
        case "loops":
            return reached if more and position < 2 * listing.limit else 0
        case "never_ends":
            return reached
        case "not_moving":
            return position
        case "honest":
            return reached if more else None


def offset_page(listing: Listing) -> Page:
    """`?offset=&limit=` -> items, and meta with total and max_page (the largest page size)."""
    indices, _ = cut(listing, number(listing.asked.query, "offset", 0, least=0))
    total = listing.total(b"total", listing.count)
    rows = listing.records.rows(indices)
    return Page(indices, b'{"items":[%s],"meta":{%s"max_page":%d}}' % (rows, total, listing.config.page_size_max))


def numbered_page(listing: Listing) -> Page:
    """`?page=&per_page=` -> data, page, pages, total; pages count from 1."""
    page = number(listing.asked.query, "page", 1, least=1)
    indices, _ = cut(listing, (page - 1) * listing.limit)
    totals = listing.total(b"pages", -(-listing.count // listing.limit)) + listing.total(b"total", listing.count)
    return Page(indices, b'{"data":[%s],%s"page":%d}' % (listing.records.rows(indices), totals, page))


def cursor_page(listing: Listing) -> Page:
    """`?cursor=&limit=` -> data and next, an opaque cursor or null."""
    text = listing.asked.query.get("cursor", "")
    position = _read_cursor(text) if text else 0
    indices, reached = cut(listing, position)
    next_position = following(listing, position, reached)
    cursor = b"null" if next_position is None else b'"%s"' % _write_cursor(next_position)
    return Page(indices, b'{"data":[%s],"next":%s}' % (listing.records.rows(indices), cursor))


def next_url_page(listing: Listing) -> Page:
    """`?offset=&limit=` -> results and next, an absolute URL or null."""
    position = number(listing.asked.query, "offset", 0, least=0)
    indices, reached = cut(listing, position)
    next_position = following(listing, position, reached)
    url = "null"
    if next_position is not None:
        url = f'"{listing.url("next", offset=next_position, limit=listing.limit)}"'
    return Page(indices, b'{"results":[%s],"next":%s}' % (listing.records.rows(indices), url.encode()))


def link_page(listing: Listing) -> Page:
    """`?page=&per_page=` -> a bare array, with the next and the first page in the Link header (RFC 8288)."""
    page = number(listing.asked.query, "page", 1, least=1)
    position = (page - 1) * listing.limit
    indices, _ = cut(listing, position)
    next_position = following(listing, position, position + listing.limit)
    links = [f'<{listing.url("link", page=1, per_page=listing.limit)}>; rel="first"']
    if next_position is not None:
        next_page = next_position // listing.limit + 1
        links.insert(0, f'<{listing.url("link", page=next_page, per_page=listing.limit)}>; rel="next"')
    return Page(indices, b"[%s]" % listing.records.rows(indices), ", ".join(links))


def keyset_page(listing: Listing) -> Page:
    """`?after_id=&limit=` -> data and has_more; the next page begins behind the last id."""
    position = max(0, number(listing.asked.query, "after_id", 0, least=0) - listing.first)
    indices, reached = cut(listing, position)
    more = b"true" if reached < listing.count else b"false"
    return Page(indices, b'{"data":[%s],"has_more":%s}' % (listing.records.rows(indices), more))


@dataclass(frozen=True, slots=True)
class Style:
    """A pagination style: how it pages, and the parameter that holds the page size."""

    page: Callable[[Listing], Page]
    size_name: str = "limit"


STYLES: Mapping[str, Style] = {
    "items": Style(offset_page),
    "pages": Style(numbered_page, "per_page"),
    "cursor": Style(cursor_page),
    "next": Style(next_url_page),
    "link": Style(link_page, "per_page"),
    "keyset": Style(keyset_page),
}
"""Styles by the path segment below the vendor."""


def _write_cursor(position: int) -> bytes:
    return base64.urlsafe_b64encode(b"position:%d" % position).rstrip(b"=")


def _read_cursor(text: str) -> int:
    try:
        word, _, digits = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).partition(b":")
        if word == b"position":
            return int(digits)
    except ValueError:
        pass
    raise BadRequest(f"unknown cursor {text!r}")
