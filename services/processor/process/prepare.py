"""Reads payloads and takes them apart, before the transaction begins."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.processor.model import Failure, Page
from services.processor.process.decide import is_quick, take_apart
from services.processor.sinks.written import goes_to_topic
from shared.errors import Rejected, SluiceError
from shared.events.envelope import Incoming
from shared.events.payloads import PayloadStored
from shared.payloads.store import PayloadStore

_LARGE_BYTES = 1024**2
_MOST_BYTES = 16 * 1024**2
_MOST_RECORDS = 50_000
_TOPIC_RECORD_WEIGHT = 3
"""A record for a topic takes this many times the memory of one for a table."""


class TooMuchAtOnce(SluiceError):
    """The pages of this batch do not fit into memory together; the shell halves the batch. A single page never raises
    this: if it is too large, that is its failure."""


class _Held:
    """How many records of a batch are in memory already."""

    def __init__(self, pages: int) -> None:
        self._pages, self._records = pages, 0

    def take(self, page: Page) -> None:
        """Count a page's records in.

        Raises:
            TooMuchAtOnce: as `check`.
        """
        self._records += len(page.records) * (_TOPIC_RECORD_WEIGHT if goes_to_topic(page) else 1)
        self.check()

    def check(self) -> None:
        """See that there is room for more.

        Raises:
            TooMuchAtOnce: there are other pages in the batch, and together they have too many records.
        """
        if self._pages > 1 and self._records > _MOST_RECORDS:
            raise TooMuchAtOnce


class Preparation:
    """Turns events about payloads into pages. All members of the group in this process share it: a large body is taken
    apart while no other one is, since that takes about ten times its size. So is a page whose expressions may take
    seconds to evaluate: in a thread, beside the event loop."""

    def __init__(self, payloads: PayloadStore, reads: int) -> None:
        self._payloads = payloads
        self._reading = asyncio.Semaphore(reads)
        self._apart = asyncio.Lock()

    async def prepare(self, batch: Sequence[Incoming[Any]]) -> Sequence[Incoming[Any]]:
        """All pages of a batch, in order.

        Raises:
            Unavailable: the payload store does not answer; the whole batch waits.
            TooMuchAtOnce: the payloads are too large by their events, before any is read, or have too many records.
        """
        if len(batch) > 1 and sum(incoming.event.payload.size for incoming in batch) > _MOST_BYTES:
            raise TooMuchAtOnce
        held = _Held(len(batch))
        reading = [asyncio.create_task(self._one(incoming, held)) for incoming in batch]
        try:
            return await asyncio.gather(*reading)
        finally:
            # After a failure the other reads would go on, and fill memory for no one.
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _one(self, incoming: Incoming[PayloadStored], held: _Held) -> Incoming[Any]:
        async with self._reading:
            held.check()
            page: Any = await self._page(incoming.event)
            held.take(page)
        return replace(incoming, event=page)

    async def _page(self, stored: PayloadStored) -> Page:
        try:
            body = await self._payloads.get(stored.payload)
        except Rejected as error:
            return Page(stored, failure=Failure(error.reason, str(error)))
        if len(body) > _LARGE_BYTES or not is_quick(stored.processing.records, body):
            async with self._apart:
                return await asyncio.to_thread(take_apart, stored, body)
        return take_apart(stored, body)
