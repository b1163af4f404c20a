"""Rows that expire."""

from datetime import timedelta

from shared.database.pool import Transaction
from shared.database.queries import changed_rows, load_queries

SQL = load_queries(__file__)


async def delete_tasks(tx: Transaction, older_than: timedelta, jobs: int, most: int) -> int:
    """Delete tasks of a few jobs that ended earlier; returns how many were deleted."""
    return changed_rows(await tx.execute(SQL["delete_tasks"], older_than, jobs, most))


async def delete_jobs(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete jobs that ended earlier and whose tasks are gone; returns how many were deleted."""
    return changed_rows(await tx.execute(SQL["delete_jobs"], older_than, most))
