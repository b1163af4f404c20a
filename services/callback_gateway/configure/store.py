"""Rows of the configuration."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)

Table = Literal["vendors", "sources", "hooks"]


async def has_handled(tx: Transaction, behaviour: str, event_id: str) -> bool:
    """Whether a behaviour of this service has handled an event. One that it gave up is behind it, too: to write that
    later would undo what was said since."""
    return bool(await tx.fetchval(SQL["has_handled"], behaviour, event_id))


class SourceEntry(NamedTuple):
    """What is known of a source without reading it."""

    kind: str
    updated_at: datetime


async def find_names(tx: Transaction) -> tuple[frozenset[str], dict[str, SourceEntry]]:
    """The names of all vendors, and of all sources with what is known of them."""
    rows = await tx.fetch(SQL["find_names"])
    vendors = frozenset(row["id"] for row in rows if row["kind"] is None)
    sources = {row["id"]: SourceEntry(row["kind"], row["updated_at"]) for row in rows if row["kind"] is not None}
    return vendors, sources


async def find_documents(tx: Transaction, table: Table, *, only: str | None = None) -> list[dict[str, Any]]:
    """The documents of a table, or one of them."""
    return [from_json(row["document"]) for row in await tx.fetch(SQL[f"find_{table}"], only)]


async def find_text(tx: Transaction, table: Table, name: str) -> bytes | None:
    """A document of a table, as text."""
    found: bytes | None = await tx.fetchval(SQL[f"find_{table}"], name)
    return found


async def find_hook_texts(tx: Transaction) -> dict[str, bytes]:
    """The documents of all hooks, as text, by name."""
    return {row["id"]: bytes(row["document"]) for row in await tx.fetch(SQL["find_hook_texts"])}
