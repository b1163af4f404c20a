"""Rows that expire."""

from datetime import timedelta

from shared.database.pool import Transaction
from shared.database.queries import changed_rows, load_queries
from shared.specification.vendor import AD_HOC

SQL = load_queries(__file__)


async def delete_attempts(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete attempts that began earlier; returns how many were deleted."""
    return changed_rows(await tx.execute(SQL["delete_attempts"], older_than, most))


async def delete_budgets(tx: Transaction, older_than: timedelta) -> None:
    """Delete budgets of ad-hoc vendors that were not called for so long; the next call makes a new one."""
    await tx.execute(SQL["delete_budgets"], AD_HOC, older_than)


async def delete_fetchers(tx: Transaction, older_than: timedelta) -> None:
    """Delete fetchers that gave no sign of life for so long."""
    await tx.execute(SQL["delete_fetchers"], older_than)
