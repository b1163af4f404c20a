"""Rows that expire."""

from datetime import timedelta

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def delete_keys(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete idempotency keys that are older; gives how many it were."""
    return _count(await tx.execute(SQL["delete_keys"], older_than, most))


async def delete_webhooks(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete what is known of webhooks that are older; gives how many it were."""
    return _count(await tx.execute(SQL["delete_webhooks"], older_than, most))


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
