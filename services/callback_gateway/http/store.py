"""Rows behind the API."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from services.callback_gateway.http.presentation import Failures, counts_of, known_failures, needs_count
from services.callback_gateway.redrive.store import Selection
from shared.database.pool import Database, Row, Transaction
from shared.database.queries import load_queries
from shared.errors import Unavailable

SQL = load_queries(__file__)


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
    use = await find_key(tx, key)
    if use is None:
        raise Unavailable("an idempotency key expired just now")
    return use


async def find_key(tx: Transaction, key: str) -> KeyUse | None:
    """What an idempotency key stands for, if it was used."""
    row = await tx.fetchrow(SQL["find_key"], key)
    return None if row is None else KeyUse(row["job_id"], row["fingerprint"], replayed=True)


async def find_jobs(tx: Transaction, state: str | None, after: UUID | None, limit: int) -> list[Row]:
    """Jobs, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_jobs"], state, after, limit)
    return rows


async def find_correlated_jobs(
    tx: Transaction, correlation_id: UUID, state: str | None, after: UUID | None, limit: int
) -> list[Row]:
    """Jobs with this correlation id, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_correlated_jobs"], correlation_id, state, after, limit)
    return rows


async def find_job(tx: Transaction, job_id: UUID) -> Row | None:
    """One job."""
    return await tx.fetchrow(SQL["find_job"], job_id)


async def count_tasks(tx: Transaction, job: Row) -> dict[str, int]:
    """Tasks of a job by state; after its end the planner's counts hold, as single tasks are seen a moment later."""
    if not needs_count(job):
        return counts_of(job)
    counted = {row["state"]: row["count"] for row in await tx.fetch(SQL["count_tasks"], job["id"])}
    return counted or counts_of(job)


async def count_failures(tx: Transaction, job: Row) -> Failures:
    """Failed tasks of a job by reason, the commonest first, unless its row tells them."""
    known = known_failures(job)
    if known is not None:
        return known
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
