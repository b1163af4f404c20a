"""Who waits for a lock: with it tests bring two transactions into the order that they are about."""

from shared.database.pool import Database

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def waiting(database: Database) -> int:
    """How many connections to this database wait for a lock just now."""
    async with database.transaction() as tx:
        return int(await tx.fetchval(_WAITING))
