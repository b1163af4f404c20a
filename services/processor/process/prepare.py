"""Reads payloads and takes them apart, before the transaction begins."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.processor.model import Failure, Page
from services.processor.process.decide import take_apart
from shared.errors import Rejected, SluiceError
from shared.events.envelope import Incoming
from shared.events.payloads import PayloadStored
from shared.payloads.store import PayloadStore

_LARGE_BYTES = 1024**2
_MOST_BYTES = 32 * 1024**2


class TooMuchAtOnce(SluiceError):
    """The payloads of this batch together are too large to be held; the shell halves it. A single one never is."""


class Preparation:
    """Turns events about payloads into pages."""

    def __init__(self, payloads: PayloadStore, reads: int) -> None:
        self._payloads = payloads
        self._reading = asyncio.Semaphore(reads)

    async def prepare(self, batch: Sequence[Incoming[Any]]) -> Sequence[Incoming[Any]]:
        """All pages of a batch, in order. `Unavailable` passes: then the whole batch waits.

        Raises:
            TooMuchAtOnce: before anything is read.
        """
        if len(batch) > 1 and sum(incoming.event.payload.size for incoming in batch) > _MOST_BYTES:
            raise TooMuchAtOnce
        return await asyncio.gather(*(self._one(incoming) for incoming in batch))

    async def _one(self, incoming: Incoming[PayloadStored]) -> Incoming[Any]:
        async with self._reading:
            page: Any = await self._page(incoming.event)
        return replace(incoming, event=page)

    async def _page(self, stored: PayloadStored) -> Page:
        try:
            body = await self._payloads.get(stored.payload)
        except Rejected as error:
            return Page(stored, failure=Failure(error.reason, str(error)))
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(take_apart, stored, body)
        return take_apart(stored, body)
