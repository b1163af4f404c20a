"""Streams of server-sent events: so many may be open at once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.callback_gateway.http.problems import RETRY_SECONDS, Refusal
from services.callback_gateway.metrics import EVENT_STREAMS


class StreamSlots:
    """So many streams may be open at once: each holds a connection for as long as its client likes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have a slot for the length of the block.

        Raises:
            Refusal: every slot is taken.
        """
        if self._taken >= self._most:
            retry_after = {"Retry-After": str(RETRY_SECONDS)}
            raise Refusal(503, f"{self._most} streams of events are open, as many as may be", headers=retry_after)
        self._taken += 1
        try:
            with EVENT_STREAMS.track_inprogress():
                yield
        finally:
            self._taken -= 1


class EventStream(StreamingResponse):
    """A stream that has a slot from its first byte to its last, or is refused before."""

    def __init__(self, slots: StreamSlots, content: AsyncIterator[bytes], **more: Any) -> None:
        super().__init__(content, **more)
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._slots.take():
            await super().__call__(scope, receive, send)
