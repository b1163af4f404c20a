"""Streams of server-sent events: so many may be open at once, as each holds a connection for as long as its client
likes."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.callback_gateway.http.access import key_of
from services.callback_gateway.http.problems import RETRY_SECONDS, Refusal
from services.callback_gateway.http.slots import Slots
from services.callback_gateway.metrics import EVENT_STREAMS


class EventStream(StreamingResponse):
    """A stream that has a slot from its first byte to its last, or is refused before."""

    def __init__(self, slots: Slots, content: AsyncIterator[bytes], **more: Any) -> None:
        super().__init__(content, **more)
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it.

        Raises:
            Refusal: no slot is free, or none for this key.
        """
        key = key_of(scope)
        if not self._slots.is_free(key):
            retry_after = {"Retry-After": str(RETRY_SECONDS)}
            raise Refusal(503, "too many event streams are open, in all or with this API key", headers=retry_after)
        with self._slots.hold(key), EVENT_STREAMS.track_inprogress():
            await super().__call__(scope, receive, send)
