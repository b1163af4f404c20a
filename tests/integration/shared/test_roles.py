"""Each service logs in as a role of its own, which can see its own schema and nothing else."""

import asyncpg
import pytest

from shared.events.catalogue import SERVICES
from tests.conftest import DatabaseFor

SCHEMAS = """
SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace
WHERE nspname !~ '^(pg_|information_schema)' AND has_schema_privilege(nspname, $1)
"""


async def test_a_service_sees_its_own_schema_and_no_other(database_for: DatabaseFor) -> None:
    for service in SERVICES:
        database, own = await database_for(service), service.replace("-", "_")
        is_processor = service == "processor"
        async with database.transaction() as tx:
            assert await tx.fetchval(SCHEMAS, "USAGE") == [own, *["records"] * is_processor], service
            assert (await tx.fetchval(SCHEMAS, "CREATE") or []) == ["records"] * is_processor, service
            assert not await tx.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        other = "planner.jobs" if service != "planner" else "callback_gateway.api_keys"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as tx:
                await tx.fetch(f"SELECT FROM {other}")
