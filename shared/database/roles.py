"""Roles and schemas: one login role for each service, which sees its own schema and nothing else. Each has a
password of its own: the password of one service opens no other."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from shared.database import scram
from shared.database.address import Login, unusable
from shared.database.migrate import migrate
from shared.errors import Invalid, Problem, Unavailable

_CONNECT_SECONDS = 10
_SALT_BYTES = 16

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


class Provisioner:
    """Prepares a database for the services. `admin` logs in as a role that may create roles and databases."""

    def __init__(self, admin: Login, database: str) -> None:
        self._admin = admin
        self._database = database
        self._quoted = '"' + database.replace('"', '""') + '"'

    async def create_roles(self, passwords: Mapping[str, str]) -> None:
        """Create the database if it is missing, and a role and schema for each service. Roles get the passwords given
        here, by schema, whatever they had before; an empty one leaves a role as it is.

        Raises:
            Invalid: a password is not of printable ASCII.
            Unavailable: the server does not answer, or refuses.
        """
        verifiers = {schema: _verifier(schema, password) for schema, password in passwords.items()}
        async with _connected(self._admin) as admin:
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", self._database):
                await admin.execute(f"CREATE DATABASE {self._quoted}")
            for schema, verifier in verifiers.items():
                await _create_role(admin, f"sluice_{schema}", verifier)
        async with self._owner() as owner:
            await owner.execute(
                f"REVOKE ALL ON DATABASE {self._quoted} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC"
            )
            for schema in passwords:
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

    async def _create_schema(self, owner: "Connection", schema: str) -> None:
        role = f"sluice_{schema}"
        await owner.execute(
            f"GRANT CONNECT ON DATABASE {self._quoted} TO {role};"
            f"CREATE SCHEMA IF NOT EXISTS {schema};"
            f"GRANT USAGE ON SCHEMA {schema} TO {role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role}"
        )

    @asynccontextmanager
    async def _owner(self) -> AsyncIterator["Connection"]:
        async with _connected(self._admin, self._database) as owner:
            yield owner


async def _create_role(admin: "Connection", role: str, verifier: str) -> None:
    """If the role exists, only its login and password are set: only a superuser may repeat NOSUPERUSER."""
    may_log_in = await admin.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", role)
    password = f"PASSWORD '{verifier}'" if verifier else ""
    if may_log_in is None:
        await admin.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {password}")
    elif password or not may_log_in:
        await admin.execute(f"ALTER ROLE {role} LOGIN {password}")


def _verifier(schema: str, password: str) -> str:
    try:
        return scram.verifier(password, os.urandom(_SALT_BYTES)) if password else ""
    except ValueError as error:
        raise Invalid([Problem("SLUICE_DATABASE_PASSWORD", f"{schema}: {error}")]) from None


@asynccontextmanager
async def _connected(login: Login, database: str | None = None) -> AsyncIterator["Connection"]:
    try:
        connection = await asyncpg.connect(
            login.url, password=login.password or None, database=database, timeout=_CONNECT_SECONDS
        )
    except ValueError:
        raise unusable("SLUICE_ADMIN_DATABASE_URL") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"Postgres: {type(error).__name__}: {error}") from error
    try:
        yield connection
    finally:
        await connection.close()
