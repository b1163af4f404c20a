"""Answers on their way into the payload store."""

import asyncio
import math
from collections.abc import AsyncIterable
from contextlib import suppress

from services.fetcher.metrics import ANSWERS_HELD, PAYLOAD_BYTES
from services.fetcher.model import Claimed
from shared.errors import Unavailable
from shared.events.payloads import Pointer
from shared.observability.logs import get_logger, task_ids
from shared.observability.metrics import vendor_label
from shared.payloads.store import PayloadStore
from shared.runtime.clock import monotonic

_STORE_PAUSE_SECONDS = 1.0
_STORE_FAULT_SECONDS = 10.0

log = get_logger(__name__)


class Keeping:
    """Stores answers, and knows whether the payload store takes them."""

    def __init__(self, payloads: PayloadStore) -> None:
        self._payloads = payloads
        self._held = 0
        self._failed_at = -math.inf

    @property
    def cannot_store(self) -> bool:
        """Whether answers wait here for the payload store, or it took one in vain a moment ago."""
        return self._held > 0 or monotonic() - self._failed_at < _STORE_FAULT_SECONDS

    async def keep(self, call: Claimed, body: bytes | AsyncIterable[bytes], media_type: str) -> Pointer:
        """Store an answer. One that is at hand is held for as long as the payload store is away or full: asking the
        vendor for it again would cost it a call each time. Held answers take up calls in flight, and no new ones are
        made here.

        Raises:
            Unavailable: the payload store does not take one that comes in pieces.
        """
        pointer = await self._put_patiently(call, body, media_type)
        PAYLOAD_BYTES.labels(vendor=vendor_label(call.request.vendor)).inc(pointer.size)
        return pointer

    async def _put_patiently(self, call: Claimed, body: bytes | AsyncIterable[bytes], media_type: str) -> Pointer:
        try:
            return await self._put(call, body, media_type)
        except Unavailable as error:
            self._failed_at = monotonic()
            if not isinstance(body, bytes):
                raise
            log.warning("payload.waiting", **task_ids(call.request), error=str(error))
        self._held += 1
        try:
            with ANSWERS_HELD.track_inprogress():
                while True:
                    await asyncio.sleep(_STORE_PAUSE_SECONDS)
                    with suppress(Unavailable):
                        return await self._put(call, body, media_type)
        finally:
            self._held -= 1

    async def _put(self, call: Claimed, body: bytes | AsyncIterable[bytes], media_type: str) -> Pointer:
        return await self._payloads.put(call.request.job_id, call.payload, body, media_type=media_type)
