"""HTTP/1.1 on a connection: bytes in, requests to a handler, deliveries out in the order of their requests.

Answers that can go at once are written where the request was read. The first one that cannot starts a task that
delivers it and everything behind it, so a slow answer holds up its own connection and no other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import cast

import httptools

from infra.simulator.arrival import unread_seconds
from infra.simulator.signatures import SCHEME_ID, SCHEME_SIGNATURE, SCHEME_TIME
from infra.simulator.wire import Delivery, Request, problem, render

BODY_MAX_BYTES = 2**20
_PENDING_MAX = 64
_DRIP_SECONDS = 0.1
_FLOOD_SECONDS = 0.005
_BEHIND_SECONDS = 60.0
_HEADERS = frozenset(
    {
        *(b"host", b"authorization", b"if-none-match", b"idempotency-key"),
        *(SCHEME_ID, SCHEME_TIME, SCHEME_SIGNATURE),
    }
)

Handler = Callable[[Request], Delivery | Coroutine[None, None, Delivery]]


class HttpConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, handle: Handler, connections: set["HttpConnection"]) -> None:
        self._handle = handle
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._requests: list[tuple[Request, bool]] = []
        self._pending: deque[Delivery | asyncio.Task[Delivery]] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._closing = False
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._address = str(transport.get_extra_info("peername")[0])
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop; what is still pending did not reach the client."""
        self._connections.discard(self)
        self._closing = True
        if self._drain is not None:
            self._drain.cancel()
        self._drop_pending()

    def pause_writing(self) -> None:
        """Called by the loop when a client asks faster than it reads; it is not read from until it caught up."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the loop. Requests are handled after parsing, since the parser would hide errors in handlers."""
        broken = False
        self._unread_seconds = unread_seconds(self._transport)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken = True
        requests, self._requests = self._requests, []
        for request, keep_alive in requests:
            self._send(self._handle(request), keep_alive)
        if broken or len(self._body) > BODY_MAX_BYTES:
            refusal = problem(400, "this is no HTTP/1.1") if broken else problem(413, "the body is too large")
            self._send(Delivery(render(refusal, time.time()), close=True), False)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._url = b""
        self._headers: dict[bytes, str] = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        """Called by the parser, in pieces if the URL came so."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        name = name.lower()
        if name in _HEADERS:
            self._headers[name] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Called by the parser; what is too long is refused, not kept."""
        if len(self._body) <= BODY_MAX_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if len(self._body) > BODY_MAX_BYTES:
            return
        method, target = self._parser.get_method().decode(), self._url.decode("latin-1")
        request = Request(method, target, self._address, self._headers, self._body, self._unread_seconds)
        self._requests.append((request, self._parser.should_keep_alive()))

    def _send(self, delivery: Delivery | Coroutine[None, None, Delivery], keep_alive: bool) -> None:
        if self._closing:
            if isinstance(delivery, Delivery):
                delivery.settle(False)
            else:
                delivery.close()
            return
        if isinstance(delivery, Delivery) and delivery.at_once and self._drain is None:
            self._write(delivery)
            if not keep_alive:
                self._close()
            return
        self._pending.append(delivery if isinstance(delivery, Delivery) else asyncio.ensure_future(delivery))
        if not keep_alive:
            self._pending.append(Delivery(b"", close=True))
        if len(self._pending) >= _PENDING_MAX:
            self._transport.pause_reading()
        if self._drain is None:
            self._drain = asyncio.ensure_future(self._deliver_pending())
            self._drain.add_done_callback(self._end_if_failed)

    def _write(self, delivery: Delivery) -> None:
        self._transport.write(delivery.data)
        delivery.settle(True)
        if delivery.close:
            self._close()

    def _close(self) -> None:
        self._closing = True
        self._transport.close()

    async def _deliver_pending(self) -> None:
        while self._pending and not self._closing:
            head = self._pending[0]
            delivery = self._pending[0] = head if isinstance(head, Delivery) else await head
            if delivery.behind is not None:
                await asyncio.wait((delivery.behind,), timeout=_BEHIND_SECONDS)
            if delivery.wait_seconds:
                await asyncio.sleep(delivery.wait_seconds)
            if delivery.bytes_per_second is not None:
                await self._drip(delivery.data, delivery.bytes_per_second)
                delivery = Delivery(b"", close=delivery.close, settle=delivery.settle)
            if delivery.flood:
                self._transport.write(delivery.data)
                await self._flood(delivery.flood)
            self._pending.popleft()
            self._write(delivery)
        # Here and not in a callback: a request that came in between would wait for a task that has ended.
        self._drain = None
        if self._closing:
            self._drop_pending()
        else:
            self._transport.resume_reading()

    async def _drip(self, data: bytes, bytes_per_second: int) -> None:
        step = max(1, int(bytes_per_second * _DRIP_SECONDS))
        for start in range(0, len(data), step):
            self._transport.write(data[start : start + step])
            await asyncio.sleep(step / bytes_per_second)

    async def _flood(self, data: bytes) -> None:
        while not self._closing:
            if not self._transport.get_write_buffer_size():
                self._transport.write(data)
            await asyncio.sleep(_FLOOD_SECONDS)

    def _end_if_failed(self, drain: asyncio.Task[None]) -> None:
        if not drain.cancelled() and drain.exception() is not None:
            self._transport.abort()
            drain.result()  # raises, so that the loop's exception handler tells

    def _drop_pending(self) -> None:
        while self._pending:
            delivery = self._pending.popleft()
            if isinstance(delivery, Delivery):
                delivery.settle(False)
            else:
                delivery.cancel()
