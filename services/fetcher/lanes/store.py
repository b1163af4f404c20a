"""Rows of calls that wait, and the budgets of their vendors."""

from collections.abc import Sequence
from uuid import UUID

from services.fetcher.model import SUSPECT_FROM, Claimed
from services.fetcher.rows import claimed_of
from shared.database.pool import Database, Row, Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def find_busy_vendors(tx: Transaction, *, suspects: bool = True) -> list[str]:
    """Vendors with calls that could be claimed now; without `suspects`, calls that may have ended fetchers do not
    count."""
    return [row["vendor"] for row in await tx.fetch(SQL["find_busy_vendors"], suspects, SUSPECT_FROM)]


async def lock_budget(tx: Transaction, vendor: str, fetcher_id: UUID) -> Row:
    """The vendor's budget, locked: the transaction that holds it may claim calls and lease permits. Everything is read
    after the wait for the lock: the clock, the vendor's configuration and the calls that other fetchers have open."""
    if not await tx.fetchval(SQL["lock_budget"], vendor):
        await tx.execute(SQL["insert_budget"], vendor)
        await tx.execute(SQL["lock_budget"], vendor)
    row = await tx.fetchrow(SQL["read_budget"], vendor, fetcher_id)
    assert row is not None
    return row


async def find_due(tx: Transaction, vendor: str, most: int, *, suspects: bool = True) -> list[UUID]:
    """The next calls of this vendor, locked; at most one that may have ended fetchers, and none without `suspects`."""
    rows = await tx.fetch(SQL["find_due"], vendor, most, suspects, SUSPECT_FROM)
    suspect = next((row["id"] for row in rows if row["suspect"]), None)
    return [row["id"] for row in rows if not row["suspect"] or row["id"] == suspect]


async def claim_calls(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> list[Claimed]:
    """These are this fetcher's now."""
    return [claimed_of(row) for row in await tx.fetch(SQL["claim_calls"], ids, fetcher_id)]


async def return_in_doubt(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> None:
    """Calls of a claim of which it is not known whether it took effect: none of them was begun."""
    if ids:
        await tx.execute(SQL["return_in_doubt"], ids, fetcher_id)


async def mark_calls(tx: Transaction, fetcher_id: UUID, calls: Sequence[Claimed]) -> set[UUID]:
    """These are about to leave; gives the ids of those that are still this fetcher's."""
    ordered = sorted(calls, key=lambda call: call.id)
    ids, claims = [call.id for call in ordered], [call.claim for call in ordered]
    return {row["id"] for row in await tx.fetch(SQL["mark_calls"], fetcher_id, ids, claims)}


async def update_permits(tx: Transaction, vendor: str, permits: dict[str, object]) -> None:
    """Where the windows of the contract stand."""
    await tx.execute(SQL["update_permits"], vendor, permits)


async def stop_fetcher(database: Database, fetcher_id: UUID) -> None:
    """This fetcher was told to stop: what it leaves open did not end it."""
    await database.execute(SQL["stop_fetcher"], fetcher_id)
