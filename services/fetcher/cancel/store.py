"""Rows of cancelled jobs and their calls."""

from collections.abc import Sequence
from uuid import UUID

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def cancel_calls(tx: Transaction, job_ids: Sequence[UUID]) -> None:
    """Delete the waiting calls of these jobs, and remember the jobs: a request for one of their calls may still be on
    its way, in another topic."""
    await tx.execute(SQL["insert_cancelled_jobs"], job_ids)
    await tx.execute(SQL["delete_waiting_calls"], job_ids)
    await tx.execute(SQL["trim_cancelled_jobs"])
