"""Calls that must not be repeated are marked before they leave. So after a fetcher died it is known which of its calls
the vendor cannot have: those may be made again, the others never."""

from collections.abc import Sequence
from uuid import UUID

from services.fetcher.lanes import store
from services.fetcher.model import Claimed
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.runtime.gathering import Gathering

log = get_logger(__name__)


class Marks:
    """Marks calls, many in one transaction."""

    def __init__(self, database: Database, fetcher_id: UUID) -> None:
        self._database = database
        self._fetcher_id = fetcher_id
        self._gathering = Gathering(self._mark)

    async def mark(self, call: Claimed) -> bool:
        """Whether the call may leave: it is still this fetcher's, and its row says that the vendor may have it."""
        return await self._gathering.put(call)

    async def _mark(self, calls: Sequence[Claimed]) -> list[bool]:
        """If the mark may be missing, no call leaves. A defect ends with this batch: others are waiting."""
        try:
            async with self._database.transaction() as tx:
                ours = await store.mark_calls(tx, self._fetcher_id, calls)
            return [call.id in ours for call in calls]
        except Unavailable as error:
            log.warning("calls.not_marked", count=len(calls), error=str(error))
        except Exception:
            log.exception("calls.not_marked", count=len(calls))
        return [False] * len(calls)
