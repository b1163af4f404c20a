"""Rows of the configuration."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import from_json

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.specification.hook import Hook
from shared.specification.source import Source
from shared.specification.values import Strict
from shared.specification.vendor import Vendor

SQL = load_queries(__file__)

Table = Literal["vendors", "sources", "hooks"]


async def upsert_vendors(tx: Transaction, vendors: Mapping[str, Vendor]) -> None:
    """Insert or replace vendors."""
    await _upsert(tx, "upsert_vendors", vendors)


async def upsert_sources(tx: Transaction, sources: Mapping[str, Source]) -> None:
    """Insert or replace sources."""
    await _upsert(tx, "upsert_sources", sources)


async def upsert_hooks(tx: Transaction, hooks: Mapping[str, Hook]) -> None:
    """Insert or replace hooks."""
    await _upsert(tx, "upsert_hooks", hooks)


async def delete_vendors(tx: Transaction, ids: Sequence[str]) -> None:
    """Delete vendors."""
    if ids:
        await tx.execute(SQL["delete_vendors"], sorted(ids))


async def delete_sources(tx: Transaction, ids: Sequence[str]) -> None:
    """Delete sources."""
    if ids:
        await tx.execute(SQL["delete_sources"], sorted(ids))


async def delete_hooks(tx: Transaction, ids: Sequence[str]) -> None:
    """Delete hooks."""
    if ids:
        await tx.execute(SQL["delete_hooks"], sorted(ids))


async def _upsert(tx: Transaction, query: str, documents: Mapping[str, Strict]) -> None:
    if documents:
        ids = sorted(documents)
        await tx.execute(SQL[query], ids, [documents[key].model_dump_json(by_alias=True).encode() for key in ids])


async def has_handled(tx: Transaction, behaviour: str, event_id: str) -> bool:
    """Whether a behaviour of this service has handled an event."""
    return bool(await tx.fetchval(SQL["has_handled"], behaviour, event_id))


async def find_names(tx: Transaction) -> tuple[frozenset[str], dict[str, str]]:
    """The names of all vendors, and of all sources with their kinds."""
    rows = await tx.fetch(SQL["find_names"])
    vendors = frozenset(row["id"] for row in rows if row["kind"] is None)
    return vendors, {row["id"]: row["kind"] for row in rows if row["kind"] is not None}


async def find_documents(tx: Transaction, table: Table, *, only: str | None = None) -> list[dict[str, Any]]:
    """The documents of a table, or one of them."""
    return [from_json(row["document"]) for row in await tx.fetch(SQL[f"find_{table}"], only)]


async def find_hook_texts(tx: Transaction) -> dict[str, bytes]:
    """The documents of all hooks, as text, by name."""
    return {row["id"]: bytes(row["document"]) for row in await tx.fetch(SQL["find_hook_texts"])}
