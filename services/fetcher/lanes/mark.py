"""Calls that must not be repeated are marked before they leave. So after a fetcher died it is known which of its calls
the vendor cannot have: those may be made again, the others never.

A mark is good until the lease of the fetcher's calls may be over. What has not left by then never leaves under this
mark: others may have given the call up, and a person may have sent it again.
"""

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

    def __init__(self, database: Database, fetcher_id: UUID, lease_seconds: float) -> None:
        self._database = database
        self._fetcher_id = fetcher_id
        self._lease_seconds = lease_seconds
        self._gathering = Gathering(self._mark)

    async def mark(self, call: Claimed) -> int:
        """Until when the call may leave, in microseconds on the database's clock: it is still this fetcher's, and its
        row says that the vendor may have it. 0 if it may not leave at all."""
        return await self._gathering.put(call)

    async def _mark(self, calls: Sequence[Claimed]) -> list[int]:
        """If the mark may be missing, no call leaves. A defect ends with this batch: others are waiting."""
        try:
            async with self._database.transaction() as tx:
                ours = await store.mark_calls(tx, self._fetcher_id, self._lease_seconds, calls)
            return [ours.get(call.id, 0) for call in calls]
        except Unavailable as error:
            log.warning("calls.not_marked", count=len(calls), error=str(error))
        except Exception:
            log.exception("calls.not_marked", count=len(calls))
        return [0] * len(calls)
