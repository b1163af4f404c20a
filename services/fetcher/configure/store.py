"""Rows of vendors."""

from collections.abc import Mapping, Sequence

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.specification.vendor import Vendor

SQL = load_queries(__file__)


async def upsert_vendors(tx: Transaction, vendors: Mapping[str, Vendor]) -> None:
    """Insert or replace vendors, and end their pauses."""
    if vendors:
        ids = sorted(vendors)
        documents = [vendors[key].model_dump_json(by_alias=True).encode() for key in ids]
        await tx.execute(SQL["upsert_vendors"], ids, documents)
        await tx.execute(SQL["end_pauses"], ids)


async def delete_vendors(tx: Transaction, ids: Sequence[str]) -> None:
    """Delete vendors; calls that still wait for one are given up with that reason."""
    if ids:
        await tx.execute(SQL["delete_vendors"], sorted(ids))
