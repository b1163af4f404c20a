"""Versioned migrations: plain SQL files in order, one transaction each, recorded with their checksum.

Files are named `NNNN_pre_what.sql` (runs before the new code) or `NNNN_post_what.sql` (after the old code is gone).
A session-level advisory lock makes concurrent runners take turns. A file that was applied must not change.
"""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import asyncpg

from shared.errors import SluiceError


class MigrationError(SluiceError):
    """The migrations in the files do not fit the ones that were applied."""


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]", schema: str, folder: Path) -> list[str]:
    """Bring `schema` up to the newest file in `folder`; gives the names of the files applied now.

    Raises:
        MigrationError: an applied file changed, or files are missing among those that were applied.
    """
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", f"sluice.migrate.{schema}")
    try:
        await connection.execute(f'SET search_path TO "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations ("
            " name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT name, checksum FROM migrations")
        applied = {row["name"]: row["checksum"] for row in rows}
        files = sorted(folder.glob("*.sql"))
        _check_history(schema, applied, [path.stem for path in files])
        return [path.stem for path in files if await _apply(connection, path, applied)]
    finally:
        await connection.execute("RESET search_path")
        await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", f"sluice.migrate.{schema}")


def _check_history(schema: str, applied: Collection[str], names: Sequence[str]) -> None:
    """A newer release may have applied more than there is here; nothing may have been applied instead of it."""
    missing, others = [name for name in names if name not in applied], sorted(set(applied) - set(names))
    if missing and others:
        raise MigrationError(
            f"schema {schema}: {others[0]} was applied, which is not among the files; {missing[0]} was not"
        )


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", path: Path, applied: dict[str, str]) -> bool:
    text = path.read_text("utf-8")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if path.stem in applied:
        if applied[path.stem] != checksum:
            raise MigrationError(f"{path.name} was changed after it had been applied; add a new migration instead")
        return False
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute("INSERT INTO migrations (name, checksum) VALUES ($1, $2)", path.stem, checksum)
    return True
