"""Tasks that the planner has released, what other services tell of them, and what it says of their jobs."""

from typing import Any
from uuid import UUID

from services.planner.release.decide import ReleaseQuota
from services.planner.release.store import claim_window, mark_released
from shared.database.pool import Database, Row
from shared.events.tasks import Facts, TaskChanged, TaskState
from shared.runtime.clock import utc_now

PAGED = {
    "request": {"path": "/items"},
    "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
}


async def claim(database: Database) -> list[Row]:
    """A window of one vendor, released."""
    async with database.transaction() as tx:
        rows = await claim_window(tx, {"acme": ReleaseQuota(10)})
        await mark_released(tx, {row["id"]: None for row in rows})
    return rows


def fetched(row: Row, following: str | None = None, **more: Any) -> TaskChanged:
    """What the fetcher tells of a page: whatever it was asked to look for."""
    facts = Facts(items=1, next=following, digest=f"{row['number']}", **more)
    return changed(row, TaskState.STORED, facts=None if row["wanted"] is None else facts)


def completed(row: Row) -> TaskChanged:
    """What the processor tells of a page."""
    return changed(row, TaskState.COMPLETED, records=1, distinct=1)


def changed(row: Row, state: TaskState, **more: Any) -> TaskChanged:
    """What another service tells of a task."""
    place = {name: row[name] for name in ("job_id", "number", "round")}
    return TaskChanged(task_id=row["id"], **place, state=state, service="another", at=utc_now(), **more)


async def reason_of(database: Database, job_id: UUID) -> str:
    """Why the job cannot be complete, as far as the planner knows."""
    async with database.transaction() as tx:
        reason: str = await tx.fetchval("SELECT reason FROM jobs WHERE id = $1", job_id)
    return reason
