"""Statements on tables that users may read, lock and change, too.

Neither a user's lock, nor a user's slow trigger, nor a user's rule is a fault of Sluice, and none of them may hold back
the work of other users.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from shared.database.pool import Transaction, is_unavailable
from shared.errors import RefusedByTarget, Unavailable

_LOCK_SECONDS = 8
"""Longer than Postgres takes to find a deadlock (1 s), and than another processor takes to write the same keys, neither
of which is the user's doing."""
_STATEMENT_SECONDS = 15
"""Shorter than the client waits for an answer: the server says what took too long, the client would not."""
_OUTAGES = ("08", "53", "57", "58")
"""Connections, resources, the operator, the system: of our own server, unless a user's function speaks to another."""
_DEFECTS = ("XX", "3F000", "42601", "42883")
"""Corruption and internal errors; a schema or function that is missing, and syntax that is wrong, unless it is in a
function of the user's."""


class TableBusy(Unavailable):
    """A lock on a table was not released in time, its triggers and indexes took too long, or they do not reach what
    they need."""

    def __init__(self, table: str) -> None:
        super().__init__(f"the table {table} is locked, takes too long, or does not reach what its triggers need")
        self.table = table


@asynccontextmanager
async def short_waits(tx: Transaction) -> AsyncIterator[None]:
    """The server ends statements in this block that wait for a lock, or take, longer than some seconds."""
    await tx.execute(
        f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'; SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'"
    )
    yield
    await tx.execute("SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT")


@contextmanager
def users_table(table: str, reason: str) -> Iterator[None]:
    """Around statements on such a table. Its columns, constraints, triggers, policies and owner may refuse a record;
    the error names the rule, and no value.

    Raises:
        TableBusy: it is locked, takes too long, or has functions that do not reach what they need.
        RefusedByTarget: with that reason, for everything else that is neither an outage nor a defect of Sluice.
    """
    try:
        yield
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError):
        raise TableBusy(table) from None
    except asyncpg.PostgresError as error:
        if _is_in_users_code(error) and (error.sqlstate or "").startswith(_OUTAGES):
            raise TableBusy(table) from None
        if is_unavailable(error) or _is_defect(error):
            raise
        rule = getattr(error, "constraint_name", None) or getattr(error, "column_name", None) or "its definition"
        raise RefusedByTarget(reason, f"the table {table} refuses it: {type(error).__name__} ({rule})") from None


def _is_defect(error: asyncpg.PostgresError) -> bool:
    return not _is_in_users_code(error) and (error.sqlstate or "").startswith(_DEFECTS)


def _is_in_users_code(error: asyncpg.PostgresError) -> bool:
    return bool(getattr(error, "context", None))
