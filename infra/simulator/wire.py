"""Requests and answers as values, and answers as bytes. Pure but for `Delivery.settle` and `Delivery.behind`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl

import orjson

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
HTML_PAGE = b"<!doctype html><html><head><title>Please wait</title></head><body>We are back soon.</body></html>"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    """Path and query, as sent."""
    address: str
    """The client's address, without its port."""
    headers: Mapping[bytes, str]
    """By name in lower case; only those that anyone here looks at."""
    body: bytes = b""
    unread_seconds: float = 0.0
    """How long it was here before it was read."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last one of a name counts."""
        return parse_query(self.target.partition("?")[2])


def parse_query(text: str) -> dict[str, str]:
    """Parameters of a query string."""
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    # The standard parser takes a third of the time of serving a page, and next to no query is escaped.
    return {name: value for name, _, value in (pair.partition("=") for pair in text.split("&") if pair)}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer before anything befalls it."""

    status: int
    body: bytes = b""
    media_type: bytes = JSON
    headers: bytes = b""
    """Further header lines, each ended."""
    endless: bool = False
    """Whether the body is sent again and again, as chunks that never end."""


def json_answer(document: object, status: int = 200, headers: bytes = b"") -> Answer:
    """A document as an answer."""
    return Answer(status, orjson.dumps(document), headers=headers)


def problem(status: int, detail: str, headers: bytes = b"") -> Answer:
    """A refusal with its reason."""
    return json_answer({"error": {"status": status, "detail": detail}}, status, headers)


def _ignore(_delivered: bool) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes to a client, and how."""

    data: bytes
    wait_seconds: float = 0.0
    bytes_per_second: int | None = None
    """Speed of the answer; None: at once."""
    close: bool = False
    """Whether the connection ends behind it."""
    flood: bytes = b""
    """What follows the data again and again, until the client hangs up."""
    settle: Callable[[bool], None] = _ignore
    """Called once at the end: with True if the bytes were handed to the connection, False if it was gone before."""
    behind: "asyncio.Future[None] | None" = None
    """What has to be done before; it is waited for within bounds."""

    @property
    def at_once(self) -> bool:
        """Whether it can be written right away."""
        return self.wait_seconds == 0 and self.bytes_per_second is None and self.behind is None and not self.flood


@lru_cache(maxsize=2)
def _date_line(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()


def render(answer: Answer, wall: float) -> bytes:
    """An answer as HTTP/1.1. `wall` is the epoch time."""
    head = _STATUS_LINES.get(answer.status) or b"HTTP/1.1 %d Unknown\r\n" % answer.status
    date = _date_line(int(wall))
    if answer.endless:
        lines = b"%s%sContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n"
        return lines % (head, date, answer.media_type, answer.headers)
    if answer.status in _BODILESS:
        return b"%s%s%s\r\n" % (head, date, answer.headers)
    lines = b"%s%sContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s"
    return lines % (head, date, answer.media_type, len(answer.body), answer.headers, answer.body)
