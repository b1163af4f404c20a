"""One exchange with a vendor: httpx's requests on aiohttp's connections (docs/decisions/0005).

What the libraries leave open is closed here. Their time-outs are for each read, so one deadline spans the whole
exchange, and a body must come at a minimum rate. Bodies are decompressed here, piece by piece, with a limit on what
comes out. Whatever goes wrong is a `CallFailed`, also while the body is read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from services.fetcher.call.connect import Blocked, Pools
from services.fetcher.call.decompress import ENCODINGS, Damaged, Inflater
from services.fetcher.call.request import HttpRequest, Refused, redirected
from shared.runtime.clock import monotonic
from shared.specification.vendor import Vendor

_GRACE_SECONDS = 10.0
_LEAST_BYTES_PER_SECOND = 64
_MOST_REDIRECTS = 3
_LIBRARY_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, EOFError)


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


class CallFailed(Exception):
    """No answer, or not the whole of it. `sent`: the vendor may have the request."""

    def __init__(self, failure: Failure, detail: str, *, sent: bool) -> None:
        super().__init__(f"{failure.value}: {detail}" if detail else failure.value)
        self.failure = failure
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case), and the body as decoded pieces that can be read once. `url` is where the answer
    came from, after redirects."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]
    url: str

    @property
    def media_type(self) -> str:
        """The media type as the vendor calls it."""
        return self.headers.get("content-type", "application/octet-stream")

    async def read(self) -> bytes:
        """The whole body; bounded by the vendor's limit."""
        return b"".join([piece async for piece in self.pieces])


class Transport:
    """Sends requests, on connections that are kept alive."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._pools = Pools(resolver)

    async def close(self) -> None:
        """Close all connections."""
        await self._pools.close()

    @asynccontextmanager
    async def send(self, request: HttpRequest, vendor: Vendor, egress: str) -> AsyncIterator[Answer]:
        """Send a request; the answer's body is read inside the block, under the same deadline. What else the block
        does is none of the deadline's business.

        Raises:
            CallFailed: there is no answer, or reading it failed.
        """
        until = asyncio.get_running_loop().time() + vendor.timeouts.total.total_seconds()
        with _explained(sent=False):
            async with asyncio.timeout_at(until):
                response, url = await self._follow(request, vendor, egress)
        try:
            pieces = _decoded(response, vendor.limits.body, until)
            yield Answer(response.status_code, dict(response.headers), pieces, url)
        finally:
            with suppress(*_LIBRARY_ERRORS):
                await response.aclose()

    async def _follow(self, request: HttpRequest, vendor: Vendor, egress: str) -> tuple[httpx.Response, str]:
        """The first answer that is no redirect, or none that this vendor's definition lets follow."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._exchange(request, vendor, egress)
            following = redirected(request, response.status_code, response.headers.get("location", ""), vendor)
            if following is None:
                return response, request.url
            await response.aclose()
            if isinstance(following, Refused):
                raise CallFailed(Failure.BLOCKED, following.reason.partition(": ")[2], sent=True)
            request = following
        raise CallFailed(Failure.PROTOCOL, f"more than {_MOST_REDIRECTS} redirects", sent=True)

    async def _exchange(self, request: HttpRequest, vendor: Vendor, egress: str) -> httpx.Response:
        private = vendor.network.private_addresses == "allow"
        if egress != "direct" and not private:
            await self._pools.check_name(urlsplit(request.url).hostname or "")
        pool = self._pools.pool(egress, private)
        try:
            return await pool.handle_async_request(_outgoing(request, vendor))
        except (ValueError, httpx.InvalidURL) as error:
            if isinstance(error, aiohttp.ClientError):
                raise
            raise CallFailed(Failure.INVALID, f"{type(error).__name__} in URL, method or headers", sent=False) from None


def _outgoing(request: HttpRequest, vendor: Vendor) -> httpx.Request:
    """Below httpx's client there is nothing that would follow redirects, keep cookies or read proxy variables."""
    times = vendor.timeouts
    connect, read = times.connect.total_seconds(), times.first_byte.total_seconds()
    timeout = {"connect": connect, "read": read, "write": read, "pool": connect}
    return httpx.Request(
        request.method,
        request.url,
        headers=dict(request.headers),
        content=request.body,
        extensions={"timeout": timeout},
    )
