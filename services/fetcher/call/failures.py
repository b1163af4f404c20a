"""Why there is no answer to a call: what the libraries raise, in our own words."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import aiohttp
import httpx

from services.fetcher.call.departure import DEPARTURE
from services.fetcher.call.names import BLOCKED, Blocked
from shared.errors import Unavailable

LIBRARY_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, EOFError)


class Failure(StrEnum):
    """Why there is no answer."""

    CONNECT = "connect_failed"
    DNS = "dns_failed"
    TLS = "tls_failed"
    BLOCKED = "ssrf_blocked"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol_error"
    INVALID = "invalid_request"


class Exhausted(Unavailable):
    """This machine has no room for another connection; the vendor was not asked."""


class CallFailed(Exception):
    """No answer, or not the whole of it. `sent`: the vendor may have the request."""

    def __init__(self, failure: Failure, detail: str, *, sent: bool) -> None:
        super().__init__(f"{failure.value}: {detail}" if detail else failure.value)
        self.failure = failure
        self.sent = sent


_NO_ROOM = (errno.EMFILE, errno.ENFILE)
_DISCONNECTS = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError)
_CONNECTING: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Failure, str], ...] = (
    (Blocked, Failure.BLOCKED, BLOCKED),
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), Failure.DNS, "the name cannot be looked up"),
    (aiohttp.ClientSSLError, Failure.TLS, ""),
    (aiohttp.ClientHttpProxyError, Failure.CONNECT, "the proxy refuses to connect"),
    (aiohttp.ClientConnectorError, Failure.CONNECT, ""),
    (aiohttp.ConnectionTimeoutError, Failure.TIMEOUT, "connecting took too long"),
)


@contextmanager
def explained(*, answered: bool) -> Iterator[None]:
    """Turn what the libraries raise into a `CallFailed` or `Exhausted`. `answered`: the answer has begun."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise _explain(error, answered=answered, sent=answered or DEPARTURE.get().has_left) from error


def _explain(error: Exception, *, answered: bool, sent: bool) -> CallFailed | Exhausted:
    causes = _causes(error)
    if not sent and any(isinstance(cause, OSError) and cause.errno in _NO_ROOM for cause in causes):
        return Exhausted(type(causes[-1]).__name__)
    last = type(causes[-1]).__name__
    for kinds, failure, detail in _CONNECTING:
        if any(isinstance(cause, kinds) for cause in causes):
            return CallFailed(failure, detail or last, sent=sent)
    disconnected = any(isinstance(cause, _DISCONNECTS) for cause in causes)
    if isinstance(error, TimeoutError) and not disconnected:
        return CallFailed(Failure.TIMEOUT, "the call's total time is over", sent=sent)
    if isinstance(error, httpx.TimeoutException) and not disconnected:
        who = "the vendor" if sent else "the proxy"
        return CallFailed(Failure.TIMEOUT, f"{who} sent nothing for too long", sent=sent)
    if not sent:
        return CallFailed(Failure.CONNECT, last, sent=False)
    return CallFailed(Failure.TRUNCATED if answered or disconnected else Failure.PROTOCOL, last, sent=True)


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it was made from."""
    found = [error]
    while found[-1].__cause__ is not None:
        found.append(found[-1].__cause__)
    inner = [getattr(one, "os_error", None) for one in found]
    return found + [one for one in inner if one is not None and one not in found]
