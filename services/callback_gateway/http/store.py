"""Rows behind the API."""

from uuid import UUID

from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def insert_job(tx: Transaction, job_id: UUID) -> None:
    """A job that was asked for."""
    await tx.execute(SQL["insert_job"], job_id)


async def claim_key(tx: Transaction, key: str, fingerprint: bytes, job_id: UUID) -> Row:
    """The row of an idempotency key: a new one, or that of whoever was first."""
    row = await tx.fetchrow(SQL["claim_key"], key, fingerprint, job_id)
    if row is None:
        row = await tx.fetchrow(SQL["find_key"], key)
    assert row is not None
    return row


async def find_jobs(tx: Transaction, state: str | None, after: UUID | None, limit: int) -> list[Row]:
    """Jobs, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_jobs"], state, after, limit)
    return rows


async def find_job(tx: Transaction, job_id: UUID) -> Row | None:
    """One job."""
    return await tx.fetchrow(SQL["find_job"], job_id)


async def count_tasks(tx: Transaction, job_id: UUID) -> dict[str, int]:
    """Tasks of a job by state."""
    return {row["state"]: row["count"] for row in await tx.fetch(SQL["count_tasks"], job_id)}


async def count_failures(tx: Transaction, job_id: UUID) -> list[Row]:
    """Failed tasks of a job by reason, the commonest first."""
    rows: list[Row] = await tx.fetch(SQL["count_failures"], job_id)
    return rows


async def find_tasks(tx: Transaction, job_id: UUID, state: str | None, after: int, limit: int) -> list[Row]:
    """Tasks of a job in the order of their numbers."""
    rows: list[Row] = await tx.fetch(SQL["find_tasks"], job_id, state, after, limit)
    return rows


async def find_events(tx: Transaction, job_id: UUID, after: int, limit: int) -> list[Row]:
    """Events of a job after a sequence number."""
    rows: list[Row] = await tx.fetch(SQL["find_events"], job_id, after, limit)
    return rows


async def find_dead_letters(
    tx: Transaction, service: str | None, job_id: UUID | None, after: UUID | None, limit: int
) -> list[Row]:
    """Dead letters, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_dead_letters"], service, job_id, after, limit)
    return rows


async def find_dead_letter(tx: Transaction, letter_id: UUID) -> Row | None:
    """One dead letter."""
    return await tx.fetchrow(SQL["find_dead_letter"], letter_id)
