"""Rows that expire."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.database.pool import Row, Transaction
from shared.database.queries import changed_rows, load_queries

SQL = load_queries(__file__)


async def delete_keys(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete idempotency keys that are older; returns how many were deleted."""
    return await _delete(tx, "delete_keys", older_than, most)


async def delete_callbacks(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete callbacks that came earlier and were judged, but not with a job that is kept; returns their number."""
    return await _delete(tx, "delete_callbacks", older_than, most)


async def delete_expectations(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete tasks that have not waited for so long, but not with a job that is kept; returns how many were deleted."""
    return await _delete(tx, "delete_expectations", older_than, most)


async def delete_webhooks(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete what is known of webhooks that are older; returns how many were deleted."""
    return await _delete(tx, "delete_webhooks", older_than, most)


async def claim_answers(tx: Transaction, older_than: timedelta, most: int) -> list[Row]:
    """Jobs with answers that are older, locked, and where the bodies are."""
    rows: list[Row] = await tx.fetch(SQL["claim_answers"], older_than, most)
    return rows


async def forget_answers(tx: Transaction, job_ids: Sequence[UUID]) -> None:
    """The bodies of these answers are gone."""
    await tx.execute(SQL["forget_answers"], job_ids)


async def delete_tasks(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete tasks of jobs that ended earlier; returns how many were deleted."""
    return await _delete(tx, "delete_tasks", older_than, most)


async def delete_events(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete events of jobs that ended earlier; returns how many were deleted."""
    return await _delete(tx, "delete_events", older_than, most)


async def delete_jobs(tx: Transaction, older_than: timedelta, most: int) -> list[Row]:
    """Delete jobs that ended earlier and of which nothing else is left; gives their ids and kinds."""
    rows: list[Row] = await tx.fetch(SQL["delete_jobs"], older_than, most)
    return rows


async def delete_letters(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete dead letters that changed earlier, but not with a job that is kept; returns how many were deleted."""
    return await _delete(tx, "delete_letters", older_than, most)


async def _delete(tx: Transaction, query: str, older_than: timedelta, most: int) -> int:
    return changed_rows(await tx.execute(SQL[query], older_than, most))
