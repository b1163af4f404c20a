"""One exchange with a vendor: httpx's requests on aiohttp's connections (docs/decisions/0005).

What the libraries leave open is closed here. Their time-outs are for each read, so one deadline spans the whole
exchange, and a body must come at a minimum rate. Bodies are decompressed here, piece by piece, with a limit on what
comes out. Whatever goes wrong is a `CallFailed`, also while the body is read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver

from services.fetcher.call.body_memory import BodyMemory, BodyReservation
from services.fetcher.call.connect import Gone, Late, Pools
from services.fetcher.call.decompress import ENCODINGS, Damaged, Inflater
from services.fetcher.call.departure import DEPARTURE, Departure
from services.fetcher.call.failures import LIBRARY_ERRORS, CallFailed, Failure, explained
from services.fetcher.call.request import HttpRequest, Unsendable, redirected
from services.fetcher.model import Leave
from shared.runtime.clock import monotonic
from shared.specification.addresses import PRIVATE_NETWORKS, networks_of
from shared.specification.vendor import AD_HOC, Vendor

SMALL_BYTES = 1024**2
_GRACE_SECONDS = 10.0
_LEAST_BYTES_PER_SECOND = 64
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Status, headers (lower case), and the body as decoded pieces that can be read once. `url` is where the answer
    came from, after redirects. A large body waits for its `reservation`, and has it until the call is over."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]
    url: str
    reservation: BodyReservation

    @property
    def media_type(self) -> str:
        """The media type as the vendor calls it."""
        return self.headers.get("content-type", "application/octet-stream")

    async def read(self) -> bytes:
        """The whole body; bounded by the vendor's limit."""
        begun, is_all = await self._begin()
        if is_all:
            return begun
        await self.reservation.make()
        return b"".join([begun, *[piece async for piece in self.pieces]])

    async def stream(self, held_bytes: int) -> bytes | AsyncIterator[bytes]:
        """A small body whole, a large one in pieces, of which the reader holds at most `held_bytes` at once."""
        begun, is_all = await self._begin()
        if is_all:
            return begun
        await self.reservation.make(held_bytes)
        return self._from(begun)

    async def _begin(self) -> tuple[bytes, bool]:
        """As much of the body as shows whether it is large, and whether that is all of it."""
        pieces, size = [], 0
        async for piece in self.pieces:
            pieces.append(piece)
            size += len(piece)
            if size > SMALL_BYTES:
                return b"".join(pieces), False
        return b"".join(pieces), True

    async def _from(self, begun: bytes) -> AsyncIterator[bytes]:
        yield begun
        async for piece in self.pieces:
            yield piece


class Transport:
    """Sends requests, on connections that are kept alive."""

    def __init__(
        self,
        resolver: AbstractResolver | None = None,
        private: str = PRIVATE_NETWORKS,
        *,
        body_bytes: int = 64 * 1024**2,
    ) -> None:
        """`private`: networks that vendors may be in, beyond the public internet, if they are allowed to be private.
        `body_bytes`: how much of large bodies may be held at once."""
        self._pools = Pools(resolver, networks_of(private))
        self._memory = BodyMemory(body_bytes)

    async def close(self) -> None:
        """Close all connections."""
        await self._pools.close()

    @asynccontextmanager
    async def send(self, request: HttpRequest, vendor: Vendor, egress: str, leave: Leave) -> AsyncIterator[RawAnswer]:
        """Send a request; the answer's body is read inside the block, under the same deadline. The time that the block
        spends on anything else is not counted. `leave` says whether the request may be written to a socket, hears
        whenever it was, and lets it be written again for a redirect.

        Raises:
            CallFailed: there is no answer, or reading it failed.
            Exhausted: nothing was sent.
            Late: nothing was sent; the call needs another permit.
        """
        departure = Departure(leave)
        DEPARTURE.set(departure)
        deadline = asyncio.get_running_loop().time() + vendor.timeouts.total.total_seconds()
        with explained(answered=False):
            async with asyncio.timeout_at(deadline):
                response, url = await self._follow(request, vendor, egress, departure)
        reservation = BodyReservation(self._memory, vendor.vendor, _most_bytes(response, vendor.limits.body))
        try:
            pieces = _decoded(response, vendor.limits.body, deadline)
            yield RawAnswer(response.status_code, dict(response.headers), pieces, url, reservation)
        finally:
            reservation.release()
            with suppress(*LIBRARY_ERRORS):
                await response.aclose()

    async def _follow(
        self, request: HttpRequest, vendor: Vendor, egress: str, departure: Departure
    ) -> tuple[httpx.Response, str]:
        """The first answer that is no redirect, or none that this vendor's definition lets follow. Each request needs a
        permit: the first one came with the call."""
        for redirects in range(_MOST_REDIRECTS + 1):
            if redirects:
                response = await self._exchange_again(request, vendor, egress, departure)
            else:
                response = await self._exchange(request, vendor, egress)
            following = redirected(request, response.status_code, response.headers.get("location", ""), vendor)
            if following is None:
                return response, request.url
            await response.aclose()
            if isinstance(following, Unsendable):
                raise CallFailed(Failure.BLOCKED, following.reason.partition(": ")[2], sent=True)
            request = following
        raise CallFailed(Failure.PROTOCOL, f"more than {_MOST_REDIRECTS} redirects", sent=True)

    async def _exchange_again(
        self, request: HttpRequest, vendor: Vendor, egress: str, departure: Departure
    ) -> httpx.Response:
        """The next request of a call that has left, with a permit of its own; with another one where connecting took so
        long that it counts no more."""
        while True:
            await departure.again()
            with suppress(Late):
                return await self._exchange(request, vendor, egress)

    async def _exchange(self, request: HttpRequest, vendor: Vendor, egress: str) -> httpx.Response:
        """Write the request once, on the first kept connection that is not gone, or a new one. What was written and not
        answered may have been read, so the vendor's policy decides whether it is written again."""
        private, had_left = vendor.network.private_addresses == "allow", DEPARTURE.get().has_left
        if egress != "direct":
            connect = vendor.timeouts.connect.total_seconds()
            await self._pools.check_name(urlsplit(request.url).hostname or "", private, connect)
        pool = self._pools.pool(egress, private, vendor.vendor.startswith(AD_HOC))
        try:
            while True:
                with suppress(Gone):
                    return await pool.handle_async_request(_outgoing(request, vendor))
        except (ValueError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            detail = f"{type(error).__name__} in URL, method or headers"
            raise CallFailed(Failure.INVALID, detail, sent=had_left) from None


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


def _most_bytes(response: httpx.Response, limit: int) -> int:
    """How large the body can be: as it says, where that is its own size, and at most `limit`."""
    headers = response.headers
    is_plain = headers.get("content-encoding", "").strip().lower() in ("", "identity")
    declared = headers.get("content-length", "") if is_plain and "transfer-encoding" not in headers else ""
    return min(int(declared[:18]), limit) if declared.isdecimal() else limit


async def _decoded(response: httpx.Response, limit: int, deadline: float) -> AsyncIterator[bytes]:
    """The body's pieces, decompressed, at most `limit` bytes before and after."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", *ENCODINGS):
        raise CallFailed(Failure.PROTOCOL, f"content-encoding {encoding[:40]} was not asked for", sent=True)
    inflater = Inflater() if encoding in ENCODINGS else None
    size = 0
    async for chunk in _received(response, limit, deadline):
        for piece in [chunk] if inflater is None else _inflated(inflater, chunk):
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            yield piece
    if inflater is not None and not inflater.is_whole:
        raise CallFailed(Failure.TRUNCATED, "the compressed body ends early", sent=True)


async def _received(response: httpx.Response, limit: int, deadline: float) -> AsyncIterator[bytes]:
    """The body as it comes over the line, until the deadline and not slower than the minimum rate. Neither counts the
    time for which the caller keeps a chunk, while it waits for memory or for the payload store."""
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:18]) > limit:
        raise _too_large(limit)
    began, size = monotonic(), 0
    chunks = response.aiter_raw()
    while True:
        with explained(answered=True):
            async with asyncio.timeout_at(deadline):
                chunk = await anext(chunks, None)
        if chunk is None:
            return
        size += len(chunk)
        seconds = monotonic() - began
        if seconds > _GRACE_SECONDS and size < seconds * _LEAST_BYTES_PER_SECOND:
            raise CallFailed(Failure.TOO_SLOW, f"{size} bytes in {seconds:.0f} s", sent=True)
        if size > limit:
            raise _too_large(limit)
        kept_from = monotonic()
        yield chunk
        kept_seconds = monotonic() - kept_from
        deadline += kept_seconds
        began += kept_seconds


def _inflated(inflater: Inflater, chunk: bytes) -> Iterator[bytes]:
    try:
        yield from inflater.pieces(chunk)
    except Damaged as error:
        raise CallFailed(Failure.PROTOCOL, f"the compressed body is damaged: {error}", sent=True) from None


def _too_large(limit: int) -> CallFailed:
    return CallFailed(Failure.TOO_LARGE, f"the body is larger than {limit} bytes", sent=True)
