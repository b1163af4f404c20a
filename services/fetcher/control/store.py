"""Rows of jobs that were cancelled or paused, and of their calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
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


async def pause_jobs(tx: Transaction, reported_at: Mapping[UUID, datetime]) -> None:
    """Hold the waiting calls of these jobs, and those that are still to come."""
    if reported_at:
        await tx.execute(SQL["upsert_paused_jobs"], list(reported_at), list(reported_at.values()))
        await tx.execute(SQL["trim_paused_jobs"])


async def resume_jobs(tx: Transaction, reported_at: Mapping[UUID, datetime]) -> None:
    """Let the calls of these jobs go on, if they were held."""
    if reported_at:
        await tx.execute(SQL["resume_jobs"], list(reported_at), list(reported_at.values()))
