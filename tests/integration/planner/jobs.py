"""Jobs as they are asked for, and the vendors that the planner knows of."""

from typing import Any
from uuid import UUID

from shared.database.pool import Database
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.jobs import JobRequested
from shared.messaging.handler import Outgoing, outgoing


async def count_vendors(database: Database) -> int:
    """How many vendors the planner knows."""
    async with database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM vendors")
    return count


def requested(document: dict[str, Any], job_id: UUID) -> Outgoing:
    """What asks for a job."""
    return outgoing(JOBS_REQUESTED, job_id, JobRequested.model_validate({**document, "id": str(job_id)}))
