"""Requests and how their answers are paged and taken apart: the parts that polls and invocations share."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from shared.specification.names import OrName
from shared.specification.scalars import Query
from shared.specification.values import (
    AnswerExpression,
    AtMost,
    Between,
    BodyExpression,
    RecordExpression,
    Strict,
    Words,
)


def check_path(value: str) -> str:
    """Refuse what would be read as another path, or as more than a path."""
    if not value.startswith("/") or value.startswith("//") or {".", ".."} & set(value.split("/")):
        raise ValueError("expected a path that starts with one / and has no . or .. between slashes")
    if not value.isprintable() or any(mark in value for mark in "\\#?"):
        raise ValueError("expected a path without spaces, ?, # or control characters (use query for parameters)")
    return value


CALL_HEADER = "sluice-job"
"""Names the job that a call is made for. The gateway trusts no call that has it as one of its own machine."""

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


Path = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(check_path), Words("path")]
PageSize = Annotated[int, Between(1, 100_000)]
Header = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4096), Words("text of printable ASCII")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), Words("header name")]


class Request(Strict):
    """One call. Placeholders such as `{parameters.id}` are filled when it is planned. If the request has a placeholder
    of pages, such as `{page.offset}`, paging adds nothing to its query."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """The HTTP method."""
    path: Path = "/"
    """The path, which is added to the vendor's `base_url`."""
    query: Query = {}
    """The query's parameters. A parameter with a list of values is sent once for each of them. There are at most 1000
    values in all."""
    headers: Annotated[dict[Annotated[HeaderName, AfterValidator(_check_header)], Header], AtMost(100)] = {}
    """Headers of the call, at most 100. Credentials belong to the vendor's `auth`."""
    json_: Annotated[Any, Field(alias="json")] = None
    """The body, any JSON value. Without this field there is none."""


class PlanCall(Strict):
    """A call before the first page, which finds the number of records."""

    path: Path
    """The path, which is added to the vendor's `base_url`."""
    query: Query = {}
    """The query's parameters."""
    total: AnswerExpression
    """Where the answer has the number of records."""
    size: AnswerExpression | None = None
    """Where the answer has the largest page size that the vendor allows. Pages are then at most this large."""


class Paged(Strict):
    """What all styles of paging share."""

    limit: Annotated[int, Between(1, 10_000_000)] = 100_000
    """The largest number of pages. A job that reaches it keeps its records and fails with `page_limit`."""


class NoPages(Paged):
    """A single answer."""

    style: Literal["none"]


class AutoPages(Paged):
    """Detected from the first answer: a `Link` header, a next URL or cursor under a usual name, a total."""

    style: Literal["auto"]
    size: PageSize = 100
    """How many records are asked for, if the vendor turns out to page by offset or number."""


class OffsetPages(Paged):
    """Pages by `offset` and `limit`. With a total all pages are planned at once; without one, each page leads to the
    next."""

    style: Literal["offset"]
    size: PageSize = 100
    """How many records a page is asked to have."""
    total: AnswerExpression | None = None
    """Where an answer has the number of all records."""
    plan: PlanCall | None = None
    """A call of its own that finds the total first."""
    offset_parameter: str = "offset"
    """The query parameter for the offset."""
    size_parameter: str = "limit"
    """The query parameter for the page size."""


class NumberedPages(Paged):
    """Pages by their numbers. With a total of records or of pages all are planned at once; without one, each page leads
    to the next."""

    style: Literal["page"]
    size: PageSize = 100
    """How many records a page is asked to have."""
    first: Annotated[int, Between(0, 1)] = 1
    """The number of the first page."""
    total: AnswerExpression | None = None
    """Where an answer has the number of all records."""
    pages: AnswerExpression | None = None
    """Where an answer has the number of all pages."""
    plan: PlanCall | None = None
    """A call of its own that finds the total first."""
    page_parameter: str = "page"
    """The query parameter for the page's number."""
    size_parameter: str | None = "per_page"
    """The query parameter for the page size. With null the size is not sent."""


class Into(Strict):
    """Where the next request has the cursor."""

    query: str
    """The query parameter for the cursor."""


class CursorPages(Paged):
    """Each answer carries the cursor of the next; null, empty or missing ends the chain."""

    style: Literal["cursor"]
    next: AnswerExpression
    """Where an answer has the cursor of the next page."""
    into: Into | None = None
    """Where the next request has the cursor. Leave it out if the request has `{page.cursor}`."""
    size: PageSize | None = None
    """How many records a page is asked to have. Without this field no size is sent."""
    size_parameter: str = "limit"
    """The query parameter for the page size."""


class KeysetPages(Paged):
    """The next page starts after the `field` of the last record. An empty page ends the chain."""

    style: Literal["keyset"]
    field: RecordExpression
    """Where a record has the value after which the next page starts."""
    into: Into | None = None
    """Where the next request has that value. Leave it out if the request has `{page.cursor}`."""
    size: PageSize = 100
    """How many records a page is asked to have."""
    size_parameter: str = "limit"
    """The query parameter for the page size."""


class NextPages(Paged):
    """Each body carries the URL of the next page."""

    style: Literal["next"]
    next: AnswerExpression
    """Where an answer has the URL of the next page."""


class LinkPages(Paged):
    """Each answer's `Link` header (RFC 8288) names the next page by `rel="next"`."""

    style: Literal["link"]


PAGES = NoPages | AutoPages | OffsetPages | NumberedPages | CursorPages | KeysetPages | NextPages | LinkPages
BY_STYLE = OrName("style", get_args(PAGES))
Pages = Annotated[PAGES, Field(discriminator="style"), BY_STYLE]
"""How the answers to a request are paged; `auto`, `offset`, `page`, `link` and `none` also by their names alone."""


class Records(Strict):
    """Where a page has its records, and a record its key."""

    select: BodyExpression | None = None
    """Where a page has its records. Without this field the list in the body is looked for."""
    key: RecordExpression | None = None
    """Where a record has its key. Without this field it is `id` if every record of the page has one, else the whole
    record."""
