"""The only place that speaks HTTP: httpx's API on aiohttp's connection pool (docs/decisions/0005).

What the libraries leave open is closed here. Their time-outs are for each read, so one deadline spans the whole call,
and a body must come at a minimum rate. Bodies are decompressed here, piece by piece, with a limit on what comes out.
Addresses are checked where the socket is made, after the name was resolved, so no later answer of a name server, no
spelling of an address and no redirect leads into the own network.
"""

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from services.fetcher.call.request import HttpRequest
from shared.runtime.clock import monotonic
from shared.specification.addresses import is_public
from shared.specification.vendor import Vendor

_GRACE_SECONDS = 10.0
_LEAST_BYTES_PER_SECOND = 64
_PIECE_BYTES = 64 * 1024
_KEEP_ALIVE_SECONDS = 15


class Failure(StrEnum):
    """Why there is no answer."""

    CONNECT = "connect_failed"
    BLOCKED = "ssrf_blocked"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol_error"


class CallFailed(Exception):
    """No answer, or not the whole of it. `sent`: the vendor may have the request."""

    def __init__(self, failure: Failure, detail: str, *, sent: bool) -> None:
        super().__init__(f"{failure.value}: {detail}" if detail else failure.value)
        self.failure = failure
        self.sent = sent


class Blocked(OSError):
    """The address that a name resolved to is not public."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case), and the body as decoded pieces that can be read once."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]

    @property
    def media_type(self) -> str:
        """The media type as the vendor calls it."""
        return self.headers.get("content-type", "application/octet-stream")

    async def read(self) -> bytes:
        """The whole body; bounded by the vendor's limit."""
        return b"".join([piece async for piece in self.pieces])


class Transport:
    """Connection pools: one for public addresses only, one for vendors that may be private, one for each proxy."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, bool], AiohttpTransport] = {}

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    @asynccontextmanager
    async def send(self, request: HttpRequest, vendor: Vendor, egress: str) -> AsyncIterator[Answer]:
        """Send a request; the answer's body is read inside the block, under the same deadline.

        Raises:
            CallFailed: there is no answer, or reading it failed.
        """
        connected = False
        try:
            async with asyncio.timeout(vendor.timeouts.total.total_seconds()):
                pool = self._pool(egress, vendor.network.private_addresses == "allow")
                response = await pool.handle_async_request(_outgoing(request, vendor))
                connected = True
                try:
                    pieces = _decoded(response, vendor.limits.body)
                    yield Answer(response.status_code, dict(response.headers), pieces)
                finally:
                    await response.aclose()
        except CallFailed:
            raise
        except TimeoutError:
            raise CallFailed(Failure.TIMEOUT, "the call's total time is over", sent=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            raise _explain(error, connected=connected) from error

    def _pool(self, egress: str, private: bool) -> AiohttpTransport:
        pool = self._pools.get((egress, private))
        if pool is None:
            proxy = None if egress == "direct" else httpx.Proxy(egress)
            pool = AiohttpTransport(client=lambda: _session(private), proxy=proxy)
            self._pools[egress, private] = pool
        return pool


def _session(private: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
        ttl_dns_cache=30,
        socket_factory=_any_socket if private else _public_socket,
    )
    return aiohttp.ClientSession(
        connector=connector, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


def _any_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made


def _public_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a resolved address, if that is public: the last moment before the connection."""
    address = ip_address(str(info[4][0]).split("%", 1)[0])
    if not is_public(address):
        raise Blocked("the name resolves to an address that is not public")
    return _any_socket(info)


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


async def _decoded(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    """The body's pieces, decompressed; ends with `CallFailed` when it is too large, too slow or cut."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        raise CallFailed(Failure.PROTOCOL, f"content-encoding {encoding[:40]} was not asked for", sent=True)
    inflate = zlib.decompressobj(wbits=47) if encoding in ("gzip", "deflate") else None
    began, raw, size = monotonic(), 0, 0
    async for chunk in response.aiter_raw():
        raw += len(chunk)
        seconds = monotonic() - began
        if seconds > _GRACE_SECONDS and raw < seconds * _LEAST_BYTES_PER_SECOND:
            raise CallFailed(Failure.TOO_SLOW, f"{raw} bytes in {seconds:.0f} s", sent=True)
        for piece in [chunk] if inflate is None else _inflated(inflate, chunk):
            size += len(piece)
            if max(size, raw) > limit:
                raise CallFailed(Failure.TOO_LARGE, f"the body is larger than {limit} bytes", sent=True)
            yield piece
    if inflate is not None and not inflate.eof:
        raise CallFailed(Failure.TRUNCATED, "the compressed body ends early", sent=True)


def _inflated(inflate: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """One bounded piece after the other, however much a few bytes stand for."""
    try:
        while chunk:
            yield inflate.decompress(chunk, _PIECE_BYTES)
            chunk = inflate.unconsumed_tail
    except zlib.error as error:
        raise CallFailed(Failure.PROTOCOL, f"the compressed body is damaged: {error}", sent=True) from None


def _explain(error: Exception, *, connected: bool) -> CallFailed:
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    causes = [*chain, *(getattr(one, "os_error", None) for one in chain)]
    if any(isinstance(cause, Blocked) for cause in causes):
        return CallFailed(Failure.BLOCKED, "the name resolves to an address that is not public", sent=False)
    if any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes):
        return CallFailed(Failure.CONNECT, type(chain[-1]).__name__, sent=False)
    if any(isinstance(cause, aiohttp.ConnectionTimeoutError) for cause in causes):
        return CallFailed(Failure.TIMEOUT, "connecting took too long", sent=False)
    if isinstance(error, (httpx.TimeoutException, TimeoutError)) and not _is_disconnect(causes):
        return CallFailed(Failure.TIMEOUT, "the vendor sent nothing for too long", sent=True)
    if connected or _is_disconnect(causes):
        return CallFailed(Failure.TRUNCATED, type(chain[-1]).__name__, sent=True)
    return CallFailed(Failure.PROTOCOL, type(chain[-1]).__name__, sent=True)


def _is_disconnect(causes: "list[BaseException | None]") -> bool:
    kinds = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError)
    return any(isinstance(cause, kinds) for cause in causes)
