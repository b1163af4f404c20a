"""Each service logs in as a role that can do its own work, and sees nothing of the others'."""

import asyncpg
import pytest

from shared.events.catalogue import SERVICES
from tests.support.stack import Place

SCHEMAS = [service.replace("-", "_") for service in SERVICES]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_service_sees_its_own_schema_alone(place: Place, schema: str) -> None:
    service = await asyncpg.connect(place.database_url().replace("{service}", schema))
    try:
        tables = await service.fetch(
            "SELECT schemaname, format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname = ANY ($1)",
            SCHEMAS,
        )
        assert {table["schemaname"] for table in tables} == set(SCHEMAS)
        for table in tables:
            if table["schemaname"] == schema:
                await service.fetchval(f"SELECT count(*) FROM {table['name']}")
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await service.fetchval(f"SELECT count(*) FROM {table['name']}")
    finally:
        await service.close()


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_only_the_processor_makes_tables_and_only_for_records(place: Place, schema: str) -> None:
    service = await asyncpg.connect(place.database_url().replace("{service}", schema))
    try:
        for where in (*SCHEMAS, "public", "records"):
            if (schema, where) == ("processor", "records"):
                await service.execute("CREATE TABLE records.made (id integer)")
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await service.execute(f"CREATE TABLE {where}.made (id integer)")
        for statement in ("CREATE ROLE somebody", "CREATE DATABASE another", "CREATE SCHEMA another"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement)
    finally:
        await service.close()
