"""Rows about payloads that were processed."""

from collections.abc import Mapping

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def insert_expiries(tx: Transaction, keep_seconds: Mapping[str, float]) -> None:
    """From when on each raw payload, given by its uri, may be deleted."""
    if keep_seconds:
        ordered = sorted(keep_seconds.items())
        await tx.execute(SQL["insert_expiries"], [uri for uri, _ in ordered], [keep for _, keep in ordered])
