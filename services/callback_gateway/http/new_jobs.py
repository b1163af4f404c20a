"""Keeps new jobs, many at once: durable first, then visible.

What comes while one write is under way goes with the next: a burst of requests costs few batches and statements. How
much waits here is bounded by how much all requests may hold (`body_budget.py`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.callback_gateway.http import store
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger
from shared.runtime.gathering import Gathering

_WRITERS = 2
_MOST = 500
_PATIENCE_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that was checked, and the message that asks for it."""

    id: UUID
    kind: str
    message: Outgoing


class NewJobs:
    """The one way in for new jobs over HTTP."""

    def __init__(self, database: Database, outbound: Outbound) -> None:
        self._database = database
        self._outbound = outbound
        self._gathering = Gathering(self._keep, writers=_WRITERS, most=_MOST)

    async def take(self, job: NewJob) -> None:
        """Return when the job is durable, and can be seen if the database answers in time.

        Raises:
            Unavailable: it cannot be kept now.
        """
        await self._gathering.put(job)

    async def _keep(self, batch: Sequence[NewJob]) -> list[None]:
        await self._outbound.send([job.message for job in batch])
        await self._show(batch)
        return [None] * len(batch)

    async def _show(self, batch: Sequence[NewJob]) -> None:
        """Write the first rows. A database that is away delays nobody for long: the rows come by themselves, with the
        planner's first events."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await store.insert_jobs(self._database, {job.id: job.kind for job in batch})
        except (Unavailable, TimeoutError):
            return
        except Exception:
            # The jobs are durable: after an error their clients would ask for them again.
            log.exception("jobs.not_shown", count=len(batch))
