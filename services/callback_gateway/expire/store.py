"""Rows that expire."""

from datetime import timedelta

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def delete_keys(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete idempotency keys that are older; gives how many it were."""
    return await _delete(tx, "delete_keys", older_than, most)


async def delete_callbacks(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete callbacks that came earlier and were judged; gives how many it were."""
    return await _delete(tx, "delete_callbacks", older_than, most)


async def delete_expectations(tx: Transaction, older_than: timedelta, most: int) -> int:
    """Delete tasks that have not waited for so long; gives how many it were."""
    return await _delete(tx, "delete_expectations", older_than, most)


async def _delete(tx: Transaction, query: str, older_than: timedelta, most: int) -> int:
    status: str = await tx.execute(SQL[query], older_than, most)
    return int(status.rsplit(" ", 1)[1])
