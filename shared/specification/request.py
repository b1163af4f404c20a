"""Requests and how their answers are paged and taken apart: the parts that polls and invocations share."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from shared.specification.names import OrName
from shared.specification.values import AnswerExpression, BodyExpression, QueryValue, RecordExpression, Strict


def check_path(value: str) -> str:
    """Refuse what would be read as another path, or as more than a path."""
    if not value.startswith("/") or value.startswith("//") or {".", ".."} & set(value.split("/")):
        raise ValueError("expected a path that starts with one / and has no . or .. between slashes")
    if not value.isprintable() or any(mark in value for mark in "\\#?"):
        raise ValueError("expected a path without spaces, ?, # or control characters (use query for parameters)")
    return value


CALL_HEADER = "sluice-job"
"""Tells that a call is made for a job, and which: to our own gateway, too, for which it is nobody of this machine."""

OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization", CALL_HEADER}
)
"""Headers that a call has of its own; credentials come from the vendor's `auth`, as references to secrets."""


def _check_header(name: str) -> str:
    if name.lower() == "authorization":
        raise ValueError("credentials do not belong in a request; use the vendor's auth with a secret reference")
    if name.lower() in OWN_HEADERS:
        raise ValueError(f"{name} is set for each call as it is made")
    return name


Path = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(check_path)]
PageSize = Annotated[int, Field(ge=1, le=100_000)]
Header = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4096)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Request(Strict):
    """One call, relative to the vendor's base URL. Placeholders such as `{parameters.id}` are filled when planned.
    Where it has some of pages, such as `{page.offset}`, paging adds nothing to its query."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Path = "/"
    query: dict[str, QueryValue] = {}
    headers: dict[Annotated[HeaderName, AfterValidator(_check_header)], Header] = {}
    json_: Annotated[Any, Field(alias="json")] = None


class PlanCall(Strict):
    """A metadata call that tells the total, and the largest page if the vendor says so."""

    path: Path
    query: dict[str, QueryValue] = {}
    total: AnswerExpression
    size: AnswerExpression | None = None


class Paged(Strict):
    """What every style of paging shares: the largest number of pages before the job ends with a clear reason."""

    limit: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


class NoPages(Paged):
    """A single answer."""

    style: Literal["none"]


class AutoPages(Paged):
    """Detected from the first answer: a `Link` header, a next URL or cursor under a usual name, a total."""

    style: Literal["auto"]
    size: PageSize = 100


class OffsetPages(Paged):
    """`offset` and `limit`. With a total, all pages are planned at once; without, one leads to the next."""

    style: Literal["offset"]
    size: PageSize = 100
    total: AnswerExpression | None = None
    plan: PlanCall | None = None
    offset_parameter: str = "offset"
    size_parameter: str = "limit"


class NumberedPages(Paged):
    """Page numbers. With a total (of records) or `pages` (how many there are), all are planned at once."""

    style: Literal["page"]
    size: PageSize = 100
    first: Annotated[int, Field(ge=0, le=1)] = 1
    total: AnswerExpression | None = None
    pages: AnswerExpression | None = None
    plan: PlanCall | None = None
    page_parameter: str = "page"
    size_parameter: str | None = "per_page"


class Into(Strict):
    """Where the cursor goes in the next request, unless the request has a place for it itself: `{page.cursor}`."""

    query: str


class CursorPages(Paged):
    """Each answer carries the cursor of the next; null, empty or missing ends the chain."""

    style: Literal["cursor"]
    next: AnswerExpression
    into: Into | None = None
    size: PageSize | None = None
    size_parameter: str = "limit"


class KeysetPages(Paged):
    """The next page starts after the last record's `field`, which is over that record; an empty page ends the chain."""

    style: Literal["keyset"]
    field: RecordExpression
    into: Into | None = None
    size: PageSize = 100
    size_parameter: str = "limit"


class NextPages(Paged):
    """Each body carries the URL of the next page."""

    style: Literal["next"]
    next: AnswerExpression


class LinkPages(Paged):
    """Each answer's `Link` header (RFC 8288) names the next page by `rel="next"`."""

    style: Literal["link"]


PAGES = NoPages | AutoPages | OffsetPages | NumberedPages | CursorPages | KeysetPages | NextPages | LinkPages
BY_STYLE = OrName("style", get_args(PAGES))
Pages = Annotated[PAGES, Field(discriminator="style"), BY_STYLE]
"""How the answers to a request are paged; `auto`, `offset`, `page`, `link` and `none` also by their names alone."""


class Records(Strict):
    """Which part of a body is records. `select` is over `body`; without it the list in the body is found. `key` is over
    one record."""

    select: BodyExpression | None = None
    key: RecordExpression | None = None
