"""Jobs whose tasks are planned and wait for their release."""

from uuid import UUID

from shared.database.pool import Database
from shared.ids import new_id

HIGH, NORMAL = 0, 1


async def plan(
    database: Database, tasks: int, vendor: str = "acme", priority: int = NORMAL, state: str = "running"
) -> UUID:
    """A job with so many planned tasks."""
    job_id = new_id()
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO jobs (id, state, vendor, priority, specification, planned, open)
            VALUES ($1, $2, $3, $4, '{}', $5, $5)""",
            job_id,
            state,
            vendor,
            priority,
            tasks,
        )
        await tx.execute(
            """INSERT INTO tasks (id, job_id, number, vendor, priority, purpose, call, position)
            SELECT gen_random_uuid(), $1, number, $2, $3, 'page', '{}', number
            FROM generate_series(0, $4 - 1) AS number""",
            job_id,
            vendor,
            priority,
            tasks,
        )
    return job_id
