"""Rows about payloads that were processed."""

from collections.abc import Sequence

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.events.payloads import PayloadStored

SQL = load_queries(__file__)


async def insert_expiries(tx: Transaction, stored: Sequence[PayloadStored]) -> None:
    """From when on each raw payload may be deleted."""
    if stored:
        ordered = sorted({event.payload.uri: event.processing.keep_seconds for event in stored}.items())
        await tx.execute(SQL["insert_expiries"], [uri for uri, _ in ordered], [keep for _, keep in ordered])
