"""Roles and schemas: one login role for each service, which sees its own schema and nothing else."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from shared.database.migrate import migrate
from shared.errors import Unavailable

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


class Provisioner:
    """Prepares a database for the services. `admin_url` logs in as a role that may create roles and databases;
    `services_url` is what the services log in with: its database, and the password of their roles."""

    def __init__(self, admin_url: str, services_url: str) -> None:
        wanted = urlsplit(services_url)
        self._admin_url = admin_url
        self._password = unquote(wanted.password or "")
        self._database = wanted.path.lstrip("/")

    async def create_roles(self, schemas: Sequence[str]) -> None:
        """Create the database if it is missing, and a role and schema for each service."""
        async with _connected(self._admin_url) as admin:
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self._database):
                await admin.execute(f'CREATE DATABASE "{self._database}"')
            for schema in schemas:
                await self._create_role(admin, f"sluice_{schema}")
        async with self._owner() as owner:
            await owner.execute(
                f'REVOKE ALL ON DATABASE "{self._database}" FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC'
            )
            for schema in schemas:
                await self._create_schema(owner, schema)

    async def create_open_schema(self, schema: str, role: str) -> None:
        """A schema in which one service's role may create tables."""
        async with self._owner() as owner:
            await owner.execute(
                f"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO sluice_{role}"
            )

    async def migrate(self, folders: Mapping[str, Path]) -> list[str]:
        """Bring schemas up to date from their folders; gives the names of the migrations applied."""
        async with self._owner() as owner:
            return [f"{schema}: {name}" for schema, at in folders.items() for name in await migrate(owner, schema, at)]

    async def _create_role(self, admin: "Connection", role: str) -> None:
        exists = await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        quoted = await admin.fetchval("SELECT quote_literal($1)", self._password)
        verb = "ALTER" if exists else "CREATE"
        await admin.execute(f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {quoted}")

    async def _create_schema(self, owner: "Connection", schema: str) -> None:
        role = f"sluice_{schema}"
        await owner.execute(
            f'GRANT CONNECT ON DATABASE "{self._database}" TO {role};'
            f"CREATE SCHEMA IF NOT EXISTS {schema};"
            f"GRANT USAGE ON SCHEMA {schema} TO {role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}"
        )

    @asynccontextmanager
    async def _owner(self) -> AsyncIterator["Connection"]:
        url = urlunsplit(urlsplit(self._admin_url)._replace(path=f"/{self._database}"))
        async with _connected(url) as owner:
            yield owner


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator["Connection"]:
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error
    try:
        yield connection
    finally:
        await connection.close()
