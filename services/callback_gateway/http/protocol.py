"""HTTP/1.1 with bounds on what uvicorn leaves open: how many connections there are, the size of a request's head, and
the time in which it must come.

A head that is too large is answered with 431, a target that is too long with 414, what is no HTTP with 400, each as a
problem; a head that does not come in time ends the connection. A connection too many is answered with 503 before
anything is read from it. A request that was answered before its body had come
may go on sending for a short while, so that its sender can read the answer; then the connection is closed.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.callback_gateway.http.problems import RETRY_SECONDS, problem
from services.callback_gateway.metrics import HTTP_CONNECTIONS

MOST_HEADERS = 100
HEAD_BYTES = 32 * 1024
TARGET_BYTES = 8 * 1024
HEAD_SECONDS = 10.0
_LINGER_SECONDS = 5.0
_TOO_MANY = 503
_NOT_HTTP = "the request is not HTTP/1.1 as RFC 9112 has it"


class HeadRefused(Exception):
    """The head of a request is beyond a bound."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None
        self._refusal = (400, _NOT_HTTP)
        self._in_head = True
        self._in_message = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head must come in time. uvicorn would let in any number, and refuse their requests, also those of
        whoever was there before."""
        super().connection_made(transport)
        HTTP_CONNECTIONS.inc()
        if self._most_connections is not None and len(self.connections) > self._most_connections:
            self._refusal = (503, f"{self._most_connections} connections are open, as many as may be")
            self.send_400_response("")
        else:
            self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget_deadline()
        HTTP_CONNECTIONS.dec()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Also bounds a head that never ends: the parser keeps it without telling."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES + TARGET_BYTES:
            self._refusal = (431, f"the head of the request is larger than {HEAD_BYTES} bytes")
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._close_after(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """The head has come: within its bounds, or the request is refused."""
        self._in_head = False
        self._forget_deadline()
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.url) > TARGET_BYTES:
            self._refuse(414, f"the request target is longer than {TARGET_BYTES} bytes")
        if len(self.headers) > MOST_HEADERS:
            self._refuse(431, f"there are more than {MOST_HEADERS} headers")
        if size > HEAD_BYTES:
            self._refuse(431, f"the headers are larger than {HEAD_BYTES} bytes")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request has come."""
        self._in_message = False
        self._forget_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer has been sent, perhaps before the whole request had come."""
        super().on_response_complete()
        if self._in_message and not self._in_head and self.cycle.response_complete:
            self._close_after(_LINGER_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """The answer of the protocol itself, as a problem; then the connection is closed."""
        self._forget_deadline()
        status, detail = self._refusal
        headers = {"Connection": "close"} | ({"Retry-After": str(RETRY_SECONDS)} if status == _TOO_MANY else {})
        answer = problem(status, detail, headers=headers)
        head = [f"HTTP/1.1 {status} ".encode()]
        head += [b"\r\n" + name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"".join(head) + b"\r\n\r\n" + bytes(answer.body))
        self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        self._refusal = (status, detail)
        raise HeadRefused(detail)

    def _close_after(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
