"""The one-shot step before the services start: roles and schemas, migrations, topics. Safe to run again.

    python -m services.provision all       (or: roles, migrate, topics)

Reads `SLUICE_ADMIN_DATABASE_URL` (a superuser's or owner's URL), `SLUICE_DATABASE_URL` (for the roles' password and
the database's name) and `SLUICE_KAFKA_BOOTSTRAP_SERVERS`.
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg
from pydantic import Field

from shared.database.migrate import migrate
from shared.errors import SluiceError
from shared.events.catalogue import SERVICES, topics
from shared.messaging.topics import Profile, create_topics
from shared.runtime.settings import ServiceSettings

SCHEMAS = tuple(service.replace("-", "_") for service in SERVICES)
RECORDS_SCHEMA = "records"


class ProvisionSettings(ServiceSettings):
    """What provisioning needs beyond the services' settings."""

    admin_database_url: str = Field("", description="Postgres URL of a role that may create roles and databases")
    topic_partitions: int = Field(4, ge=1, le=1000, description="partitions of busy topics; 12 and up in production")
    topic_replication: int = Field(1, ge=1, le=9, description="replicas of every topic; 3 in production")


async def provision_roles(settings: ProvisionSettings) -> None:
    """One login role for each service, which sees its own schema alone; and the schema for users' records."""
    wanted = urlsplit(settings.database_url)
    password, database = unquote(wanted.password or ""), wanted.path.lstrip("/")
    admin = await asyncpg.connect(settings.admin_database_url)
    try:
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(f'CREATE DATABASE "{database}"')
        for schema in SCHEMAS:
            await _create_role(admin, f"sluice_{schema}", password)
    finally:
        await admin.close()
    owner = await asyncpg.connect(_in_database(settings.admin_database_url, database))
    try:
        await owner.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC')
        for schema in SCHEMAS:
            await _create_schema(owner, database, schema)
        await owner.execute(
            f"CREATE SCHEMA IF NOT EXISTS {RECORDS_SCHEMA};"
            f"GRANT USAGE, CREATE ON SCHEMA {RECORDS_SCHEMA} TO sluice_processor"
        )
    finally:
        await owner.close()


async def _create_role(admin: "asyncpg.Connection[asyncpg.Record]", role: str, password: str) -> None:
    exists = await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    quoted = await admin.fetchval("SELECT quote_literal($1)", password)
    verb = "ALTER" if exists else "CREATE"
    await admin.execute(f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {quoted}")


async def _create_schema(owner: "asyncpg.Connection[asyncpg.Record]", database: str, schema: str) -> None:
    role = f"sluice_{schema}"
    await owner.execute(
        f'GRANT CONNECT ON DATABASE "{database}" TO {role};'
        f"CREATE SCHEMA IF NOT EXISTS {schema};"
        f"GRANT USAGE ON SCHEMA {schema} TO {role};"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}"
    )


async def provision_migrations(settings: ProvisionSettings) -> None:
    """Bring every schema up to date."""
    database = urlsplit(settings.database_url).path.lstrip("/")
    owner = await asyncpg.connect(_in_database(settings.admin_database_url, database))
    try:
        for schema in SCHEMAS:
            for name in await migrate(owner, schema, Path(__file__).parent / schema / "migrations"):
                print(f"migrated {schema}: {name}")
    finally:
        await owner.close()


async def provision_topics(settings: ProvisionSettings) -> None:
    """Create the topics that are missing."""
    profile = Profile(settings.topic_partitions, settings.topic_replication)
    for name in await create_topics(settings.kafka_bootstrap_servers, settings.topic_prefix, topics(), profile):
        print(f"created {name}")


def _in_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def provision(what: str, settings: ProvisionSettings) -> None:
    """One step, or `all` of them."""
    if what in ("all", "roles"):
        await provision_roles(settings)
    if what in ("all", "migrate"):
        await provision_migrations(settings)
    if what in ("all", "topics"):
        await provision_topics(settings)


def main() -> None:
    """The command."""
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    if what not in ("all", "roles", "migrate", "topics"):
        sys.exit(f"provision: expected all, roles, migrate or topics, got {what!r}")
    try:
        asyncio.run(provision(what, ProvisionSettings()))
    except (SluiceError, asyncpg.PostgresError, OSError) as error:
        sys.exit(f"provision: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
