"""Rows of API keys."""

from datetime import datetime

from services.callback_gateway.keys.key import Key
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def insert_key(tx: Transaction, key: Key) -> None:
    """Keep a new key."""
    await tx.execute(SQL["insert_key"], key.id, key.name, key.digest, sorted(key.scopes))


async def find_keys(tx: Transaction) -> dict[str, Key]:
    """The keys in force, by id."""
    rows = await tx.fetch(SQL["find_keys"])
    return {
        row["id"]: Key(row["id"], row["name"], row["digest"], frozenset(row["scopes"]), row["used_at"]) for row in rows
    }


async def list_keys(tx: Transaction) -> list[Row]:
    """All keys, also those that were revoked."""
    rows: list[Row] = await tx.fetch(SQL["list_keys"])
    return rows


async def revoke_key(tx: Transaction, key_id: str) -> bool:
    """End a key; whether there was one in force."""
    return await tx.fetchval(SQL["revoke_key"], key_id) is not None


async def touch_key(tx: Transaction, key_id: str, at: datetime) -> None:
    """Remember when a key was used."""
    await tx.execute(SQL["touch_key"], key_id, at)
