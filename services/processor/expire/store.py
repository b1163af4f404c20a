"""Rows about payloads whose time is over."""

from collections.abc import Sequence

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def claim_expired(tx: Transaction, most: int) -> list[str]:
    """Payloads that may be deleted, locked."""
    return [row["uri"] for row in await tx.fetch(SQL["claim_expired"], most)]


async def delete_expiries(tx: Transaction, uris: Sequence[str]) -> None:
    """These are gone."""
    await tx.execute(SQL["delete_expiries"], uris)
