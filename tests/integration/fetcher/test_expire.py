"""What the fetcher forgets by the clock."""

from datetime import timedelta

from services.fetcher.expire import store
from tests.conftest import DatabaseFor

OLD_AND_NEW = """
    INSERT INTO attempts (call_id, task_id, vendor, attempt, started_at, seconds, egress, verdict, reason)
    SELECT gen_random_uuid(), gen_random_uuid(), 'v', 1,
        now() - $1::interval / CASE WHEN n % 100 = 0 THEN 1 ELSE 2 END, 0, 'direct', 'success', ''
    FROM generate_series(1, 3000) AS n
"""
KEPT = timedelta(days=30)


async def test_old_attempts_are_found_although_new_ones_stand_between_them(database_for: DatabaseFor) -> None:
    """As where the room of deleted ones was used again: to find the old ones no other is read."""
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await tx.execute(OLD_AND_NEW, 1.8 * KEPT)
        query = store.SQL["delete_attempts"].replace("$1", "'30 days'").replace("$2", "20")
        plan = await tx.fetch(f"EXPLAIN (ANALYZE, TIMING off) {query}")
        assert not [line for [line] in plan if "Rows Removed" in line], plan
        assert await store.delete_attempts(tx, KEPT, 2000) == 10
        assert await tx.fetchval("SELECT count(*) FROM attempts") == 2970
