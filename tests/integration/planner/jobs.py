"""Jobs as they are asked for, the vendors that the planner knows of, and its handlers without their shell."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from services.planner.accept.handler import accept_jobs
from services.planner.configure.handler import vendors
from shared.database.pool import Database, Transaction
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.configuration import VendorConfigured
from shared.events.envelope import Incoming, Position, Record
from shared.events.jobs import JobRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, Result, outgoing
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor

ACME = Vendor(vendor="acme", base_url="https://acme.example")
Handle = Callable[[Transaction, Sequence[Incoming[Any]]], Awaitable[Sequence[Result]]]


async def count_vendors(database: Database) -> int:
    """How many vendors the planner knows."""
    async with database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM vendors")
    return count


def requested(document: dict[str, Any], job_id: UUID) -> Outgoing:
    """What asks for a job."""
    return outgoing(JOBS_REQUESTED, job_id, JobRequested.model_validate({**document, "id": str(job_id)}))


def incoming(event: Any) -> Incoming[Any]:
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, b"", (), utc_now()))


async def handled(database: Database, handle: Handle, *events: Any) -> list[Any]:
    """What a handler sends because of events."""
    async with database.transaction() as tx:
        results = await handle(tx, [incoming(event) for event in events])
    return [result for result in results if isinstance(result, Outgoing)]


async def asked_for(database: Database, document: dict[str, Any]) -> UUID:
    """A job that the planner has."""
    job_id = new_id()
    await handled(database, vendors.handle, VendorConfigured(vendor=ACME))
    await handled(database, accept_jobs, JobRequested.model_validate({**document, "id": str(job_id)}))
    return job_id
