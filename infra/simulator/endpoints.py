"""What a vendor answers below its name when nothing is wrong. Pure but for the book of asynchronous jobs.

A new kind of endpoint is a function and a line in ROUTES; `{…}` in a path stands for any one segment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from infra.simulator.config import VendorConfig
from infra.simulator.damage import spoiled
from infra.simulator.pages import STYLES, Asked, BadRequest, asked_in, number, open_listing
from infra.simulator.records import Records
from infra.simulator.reports.book import Book, KeyReused, Report
from infra.simulator.wire import Answer, Request, json_answer, problem


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one vendor, and what is needed to answer it."""

    config: VendorConfig
    records: Records
    request: Request
    vendor: str
    segments: tuple[str, ...]
    """The path below the vendor."""
    listings: int
    """Listing requests that the vendor answered before."""
    book: Book
    """The vendor's asynchronous jobs."""
    now: float
    """Monotonic time in seconds."""


class NotFound(LookupError):
    """There is no such thing; answered with 404."""


@dataclass(frozen=True, slots=True)
class Served:
    """An answer, and the indices of the records in it; None if it is neither a page nor a record."""

    answer: Answer
    indices: range | None = None
    made: Report | None = None
    """The asynchronous job that begins with it."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its path below the vendor, which also names its kind, its method and its function."""

    path: str
    answer: Callable[[Call], Served]
    method: str = "GET"
    listing: bool = False


def answer_listing(call: Call) -> Served:
    """A page in the style that the path names."""
    host = call.request.headers.get(b"host", "127.0.0.1")
    asked = Asked(f"http://{host}/{call.vendor}", call.request.query, call.listings)
    style = STYLES[call.segments[0]]
    listing = open_listing(call.config, call.records, asked, style.size_name)
    page = style.page(listing)
    headers = f"Link: {page.link}\r\n".encode() if page.link else b""
    match call.config.misbehaviour.body:
        case "honest":
            served = Served(Answer(200, page.body, headers=headers), page.indices)
        case "array":
            return Served(Answer(200, b"[%s]" % call.records.rows(page.indices), headers=headers), page.indices)
        case other:
            return Served(spoiled(other, page.body, call.request.target))
    return _unless_known(call, served) if call.segments == ("items",) else served


def answer_search(call: Call) -> Served:
    """A page that a JSON body asks for: by offset, behind an id, or else by cursor."""
    body = _object(call.request.body)
    style = STYLES["items" if "offset" in body else "keyset" if "after_id" in body else "cursor"]
    page = style.page(open_listing(call.config, call.records, Asked("", asked_in(body), call.listings)))
    return Served(Answer(200, page.body), page.indices)


def answer_metadata(call: Call) -> Served:
    """How many records there are, and how many a page may hold."""
    listing = open_listing(call.config, call.records, Asked("", call.request.query, call.listings))
    total = listing.total(b"total", listing.count)
    return _unless_known(call, Served(Answer(200, b'{%s"size":%d}' % (total, call.config.page_size_max))))


def answer_record(call: Call) -> Served:
    """One record by its id."""
    identifier = number({"id": call.segments[1]}, "id", 0, least=0)
    if not 1 <= identifier <= call.config.records:
        return Served(problem(404, f"no item {identifier}"))
    index = identifier - 1
    indices = range(index, index + 1)
    return _unless_known(call, Served(Answer(200, call.records.rows(indices)), indices))


def answer_quote(call: Call) -> Served:
    """What was sent, with a price that follows from it."""
    try:
        sent = orjson.loads(call.request.body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    return Served(json_answer({"echo": sent, "price": crc32(call.request.body) % 100_000 / 100}))


def answer_submit(call: Call) -> Served:
    """A new asynchronous job, or the one that the same Idempotency-Key made."""
    body = _object(call.request.body)
    url = body.get("callback_url")
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise BadRequest("callback_url must be an http(s) URL")
    key = call.request.headers.get(b"idempotency-key")
    try:
        report, new = call.book.submit(call.config.reports, body, key, seed=call.records.seed, now=call.now)
    except KeyReused as error:
        return Served(problem(422, str(error)))
    document = {"id": report.course.report_id, "status": "queued" if new else report.status(call.now)}
    return Served(json_answer(document, 202), made=report if new else None)


def answer_status(call: Call) -> Served:
    """How a job stands."""
    report = _report(call)
    return Served(json_answer({"id": report.course.report_id, "status": report.status(call.now)}))


def answer_rows(call: Call) -> Served:
    """A page of a job's rows, and the cursor of the next."""
    report, query = _report(call), call.request.query
    if report.status(call.now) != "succeeded":
        return Served(problem(409, f"this report is {report.status(call.now)}"))
    start = number(query, "cursor", 0, least=0) if query.get("cursor") else 0
    size = call.config.page_size_max
    rows = report.page(start, min(number(query, "limit", size, least=1), size))
    stop = start + len(rows)
    call.book.truth.read(f"{report.course.report_id} {start}", len(rows))
    return Served(json_answer({"rows": rows, "next": str(stop) if stop < report.rows else None}))


def answer_abort(call: Call) -> Served:
    """The job is stopped, unless it is over."""
    report = _report(call)
    if call.book.abort(report, call.now):
        return Served(Answer(204))
    return Served(problem(409, f"this report is {report.status(call.now)}"))


def _report(call: Call) -> Report:
    report = call.book.find(call.segments[1])
    if report is None:
        raise NotFound(f"no report {call.segments[1]!r}")
    return report


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadRequest("the body must be an object")
    return found


def _unless_known(call: Call, served: Served) -> Served:
    """The answer with its ETag, or 304 if the client holds it already."""
    if not call.config.etag:
        return served
    tag = f'"{crc32(served.answer.body):08x}"'
    line = f"ETag: {tag}\r\n".encode()
    known = call.request.headers.get(b"if-none-match", "")
    if known == "*" or tag in (item.strip().removeprefix("W/") for item in known.split(",")):
        return Served(Answer(304, headers=line))
    return Served(Answer(200, served.answer.body, headers=served.answer.headers + line), served.indices)


ROUTES = (
    *(Route(path, answer_listing, listing=True) for path in STYLES),
    Route("search", answer_search, method="POST", listing=True),
    Route("items/metadata", answer_metadata),
    Route("items/{id}", answer_record),
    Route("quote", answer_quote, method="POST"),
    Route("reports", answer_submit, method="POST"),
    Route("reports/{id}", answer_status),
    Route("reports/{id}", answer_abort, method="DELETE"),
    Route("reports/{id}/rows", answer_rows),
)
_PLAIN = {route.path: route for route in ROUTES}
_PATTERNS = tuple((tuple(route.path.split("/")), route) for route in ROUTES if "{" in route.path)


def find_route(segments: tuple[str, ...], method: str) -> Route | None:
    """The endpoint at a path below a vendor; one without placeholders goes first. Where none has the method, any."""
    plain = _PLAIN.get("/".join(segments))
    if plain is not None:
        return plain
    found = None
    for pattern, route in _PATTERNS:
        if len(pattern) == len(segments) and all(
            part.startswith("{") or part == segment for part, segment in zip(pattern, segments, strict=True)
        ):
            if route.method == method:
                return route
            found = route
    return found
