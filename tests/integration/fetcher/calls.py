"""Calls, as the events that ask for them and as the rows that a fetcher claims."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.fetcher.lanes import store as lanes_store
from services.fetcher.model import Claimed
from shared.database.pool import Database
from shared.events.envelope import Incoming, Position, Record
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested, Purpose, SubmitWanted
from shared.ids import new_id
from shared.specification.request import Records

AT = datetime(2026, 1, 1, tzinfo=UTC)


def incoming(event: Any) -> Incoming[Any]:
    """An event as a handler gets it."""
    value = event.model_dump_json().encode()
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, value, (), AT))


def wanted(job_id: UUID, purpose: Purpose = "page", vendor: str = "v") -> Incoming[FetchRequested]:
    """A call of this job."""
    processing = Processing(source="s", records=Records())
    return incoming(
        FetchRequested(
            task_id=new_id(),
            job_id=job_id,
            number=0,
            vendor=vendor,
            purpose=purpose,
            call=Call(path="/x"),
            processing=processing,
        )
    )


def cancelled(job_id: UUID) -> Incoming[JobEnded]:
    """The end of a job that was cancelled."""
    return incoming(JobEnded(job_id=job_id, state=JobState.CANCELLED, reason="", counts=JobCounts(), at=AT))


async def due(database: Database) -> int:
    """How many calls of the vendor `v` could be claimed now."""
    async with database.transaction() as tx:
        return len(await lanes_store.find_due(tx, "v", 100))


async def busy(database: Database, *, suspects: bool = True) -> list[str]:
    """Vendors with calls that are due."""
    async with database.transaction() as tx:
        return list(await lanes_store.find_busy_vendors(tx, suspects=suspects))


def submit(*, method: str = "POST") -> Incoming[FetchRequested]:
    """A call that begins a vendor's job: by its method it may be repeated, or not."""
    event = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="v",
        purpose="submit",
        call=Call.model_validate({"method": method, "path": "/reports"}),
        submit=SubmitWanted(vendor_job="body.id", deadline=timedelta(hours=1), template=False),
        processing=Processing(source="s"),
    )
    return incoming(event)


async def claim(database: Database, fetcher_id: UUID) -> list[Claimed]:
    """All calls that wait are this fetcher's."""
    async with database.transaction() as tx:
        return await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, "v", 100), fetcher_id)


async def states(database: Database) -> dict[UUID, str]:
    """How each call stands."""
    async with database.transaction() as tx:
        return {row["id"]: row["state"] for row in await tx.fetch("SELECT id, state FROM calls")}
