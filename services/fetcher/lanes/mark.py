"""Calls that must not be repeated are marked before they leave, so that of a fetcher that died it is known which of
them nobody can have: those may be made again, the others never."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.fetcher.lanes import store
from services.fetcher.model import Claimed
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.observability.logs import get_logger

log = get_logger(__name__)


class Marks:
    """Marks calls, many in one transaction: what comes while one is under way goes with the next."""

    def __init__(self, database: Database, fetcher_id: UUID) -> None:
        self._database = database
        self._fetcher_id = fetcher_id
        self._waiting: list[tuple[Claimed, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def mark(self, call: Claimed) -> bool:
        """Whether the call may leave: it is still this fetcher's, and everybody knows that the vendor may have it."""
        marked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, marked))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await marked

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            ours = await self._mark([call for call, _ in batch])
            for call, marked in batch:
                if not marked.done():
                    marked.set_result(call.id in ours)

    async def _mark(self, calls: Sequence[Claimed]) -> set[UUID]:
        """A mark that may be there or not lets nothing leave. A defect ends with this batch: others are waiting."""
        try:
            async with self._database.transaction() as tx:
                return await store.mark_calls(tx, self._fetcher_id, calls)
        except Unavailable as error:
            log.warning("calls.not_marked", count=len(calls), error=str(error))
        except Exception:
            log.exception("calls.not_marked", count=len(calls))
        return set()
