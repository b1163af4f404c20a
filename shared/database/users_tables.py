"""Statements on tables that users may read, lock and change, too.

Neither a user's lock nor a user's rule is a fault of Sluice, and neither may hold back the work of other users.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from shared.database.pool import Transaction, is_unavailable
from shared.errors import RefusedByTarget, Unavailable

_LOCK_SECONDS = 3
"""Longer than Postgres takes to find a deadlock (1 s), which is not the user's doing."""


class TableLocked(Unavailable):
    """A lock on a table was not released in time."""

    def __init__(self, table: str) -> None:
        super().__init__(f"the table {table} is locked")
        self.table = table


@asynccontextmanager
async def short_lock_waits(tx: Transaction) -> AsyncIterator[None]:
    """Statements in this block wait only a few seconds for each lock."""
    await tx.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    yield
    await tx.execute("SET LOCAL lock_timeout TO DEFAULT")


@contextmanager
def users_table(table: str, reason: str) -> Iterator[None]:
    """Around statements on such a table. Its columns, constraints, triggers, policies and owner may refuse a record;
    the error names the rule, and no value.

    Raises:
        TableLocked: it is locked.
        RefusedByTarget: with that reason, for everything else that is not an outage.
    """
    try:
        yield
    except asyncpg.LockNotAvailableError:
        raise TableLocked(table) from None
    except asyncpg.PostgresError as error:
        if is_unavailable(error):
            raise
        rule = getattr(error, "constraint_name", None) or getattr(error, "column_name", None) or "its definition"
        raise RefusedByTarget(reason, f"the table {table} refuses it: {type(error).__name__} ({rule})") from None
