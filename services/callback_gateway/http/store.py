"""Rows behind the API."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from services.callback_gateway.http.presentation import Failures, failures_of
from services.callback_gateway.redrive.store import Selection
from shared.database.pool import Database, Row, Transaction
from shared.database.queries import load_queries
from shared.errors import Unavailable

SQL = load_queries(__file__)

MOST_COUNTED = 5000
"""So many tasks of a job are counted at each look at it. An index on their states would have them counted faster, and
would make every change of a state dearer: no update of a task could stay on its page."""


class KeyUse(NamedTuple):
    """What an idempotency key stands for; `replayed` if somebody was first."""

    job_id: UUID
    fingerprint: bytes
    replayed: bool


async def insert_jobs(database: Database, kinds: Mapping[UUID, str]) -> None:
    """Jobs that were asked for, with their kinds."""
    ordered = sorted(kinds.items())
    await database.execute(SQL["insert_jobs"], [one for one, _ in ordered], [kind for _, kind in ordered])


async def claim_key(tx: Transaction, key: str, fingerprint: bytes, job_id: UUID) -> KeyUse:
    """Claim an idempotency key, or learn who was first.

    Raises:
        Unavailable: the key expired between two looks; ask again.
    """
    if await tx.fetchrow(SQL["claim_key"], key, fingerprint, job_id) is not None:
        return KeyUse(job_id, fingerprint, replayed=False)
    row = await tx.fetchrow(SQL["find_key"], key)
    if row is None:
        raise Unavailable("an idempotency key expired just now")
    return KeyUse(row["job_id"], row["fingerprint"], replayed=True)


async def find_jobs(tx: Transaction, state: str | None, after: UUID | None, limit: int) -> list[Row]:
    """Jobs, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_jobs"], state, after, limit)
    return rows


async def find_job(tx: Transaction, job_id: UUID) -> Row | None:
    """One job."""
    return await tx.fetchrow(SQL["find_job"], job_id)


async def count_tasks(tx: Transaction, job: Row) -> dict[str, int]:
    """Tasks by state of a job that runs; the row of one that is over has their ends. Of more than are counted at each
    look those that have ended are told as the planner counted them, and the others as `open`."""
    if job["ended_at"] is not None:
        return {}
    if job["planned"] > MOST_COUNTED:
        ends = {name: job[name] for name in ("completed", "failed", "cancelled")}
        counts = {**ends, "open": job["planned"] - sum(ends.values())}
        return {name: count for name, count in counts.items() if count > 0}
    return {row["state"]: row["count"] for row in await tx.fetch(SQL["count_tasks"], job["id"])}


async def count_failures(tx: Transaction, job: Row) -> Failures:
    """Failed tasks of a job by reason, the commonest first. The row of one that is over has them as the planner counted
    them: single tasks are seen a moment later. The many tasks of one that runs are not looked at."""
    if job["ended_at"] is not None and job["failures"] is not None:
        return failures_of(job)
    if job["planned"] > MOST_COUNTED and (job["ended_at"] is None or not job["failed"]):
        return []
    return [dict(row) for row in await tx.fetch(SQL["count_failures"], job["id"])]


async def find_tasks(tx: Transaction, job_id: UUID, state: str | None, after: int, limit: int) -> list[Row]:
    """Tasks of a job in the order of their numbers."""
    rows: list[Row] = await tx.fetch(SQL["find_tasks"], job_id, state, after, limit)
    return rows


async def find_callbacks(tx: Transaction, job_id: UUID, after: UUID | None, limit: int) -> list[Row]:
    """Callbacks of a job, the oldest first."""
    rows: list[Row] = await tx.fetch(SQL["find_callbacks"], job_id, after, limit)
    return rows


async def find_events(tx: Transaction, job_id: UUID, after: int, limit: int) -> list[Row]:
    """Events of a job after a sequence number."""
    rows: list[Row] = await tx.fetch(SQL["find_events"], job_id, after, limit)
    return rows


async def find_latest(tx: Transaction, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The sequence number of the latest event of each job that has any."""
    return {row["job_id"]: row["sequence"] for row in await tx.fetch(SQL["find_latest"], job_ids)}


async def is_redriven(tx: Transaction, job_id: UUID, within_seconds: float) -> bool:
    """Whether a job that is over is about to go on."""
    return bool(await tx.fetchval(SQL["is_redriven"], job_id, timedelta(seconds=within_seconds)))


async def find_dead_letters(
    tx: Transaction, selection: Selection, state: str | None, after: UUID | None, limit: int
) -> list[Row]:
    """Dead letters, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_dead_letters"], *selection.arguments[:6], state, after, limit)
    return rows


async def find_dead_letter(tx: Transaction, letter_id: UUID) -> Row | None:
    """One dead letter."""
    return await tx.fetchrow(SQL["find_dead_letter"], letter_id)
