"""Rows of the configuration."""

from collections.abc import Mapping, Sequence

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.specification.hook import Hook
from shared.specification.source import Source
from shared.specification.values import Strict
from shared.specification.vendor import Vendor

SQL = load_queries(__file__)


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
    """Delete vendors; running jobs keep what they were resolved with."""
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
