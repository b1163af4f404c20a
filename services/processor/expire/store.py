"""Rows about payloads, and keys of jobs, whose time is over."""

from collections.abc import Sequence
from uuid import UUID

from shared.database.pool import Transaction
from shared.database.queries import changed_rows, load_queries

SQL = load_queries(__file__)


async def claim_expired(tx: Transaction, most: int) -> list[str]:
    """Payloads that may be deleted, locked."""
    return [row["uri"] for row in await tx.fetch(SQL["claim_expired"], most)]


async def delete_expiries(tx: Transaction, uris: Sequence[str]) -> None:
    """These are gone."""
    await tx.execute(SQL["delete_expiries"], uris)


async def claim_keyed_job(tx: Transaction) -> UUID | None:
    """A job whose keys may be forgotten, locked."""
    found: UUID | None = await tx.fetchval(SQL["claim_keyed_job"])
    return found


async def delete_keys(tx: Transaction, job_id: UUID, most: int) -> int:
    """Forget at most that many keys of a job; gives how many there were."""
    return changed_rows(await tx.execute(SQL["delete_keys"], job_id, most))


async def delete_keyed_job(tx: Transaction, job_id: UUID) -> None:
    """It has no keys left."""
    await tx.execute(SQL["delete_keyed_job"], job_id)
