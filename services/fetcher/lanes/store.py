"""Rows of calls that wait, and the budgets of their vendors."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from services.fetcher.metrics import PauseSeen
from services.fetcher.model import SUSPECT_FROM, Claimed, is_circuit_open
from services.fetcher.rows import claimed_of
from shared.database.pool import Database, Row, Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)

_LONG = timedelta(seconds=10)
"""A suspect that has been due for so long comes before the other calls of its vendor, which may never run out."""


async def find_busy_vendors(tx: Transaction, *, suspects: bool = True) -> dict[str, float]:
    """Vendors with calls that are due, each with the seconds for which it is still paused; without `suspects`, calls
    that may have ended fetchers do not count."""
    rows = await tx.fetch(SQL["find_busy_vendors"], suspects, SUSPECT_FROM)
    return {row["vendor"]: row["paused_seconds"] for row in rows}


async def find_pauses(tx: Transaction) -> list[PauseSeen]:
    """Vendors that are paused, whether or not they have calls."""
    rows = await tx.fetch(SQL["find_pauses"])
    return [PauseSeen(row["vendor"], row["paused_seconds"], is_circuit_open(row["faults"])) for row in rows]


async def lock_budget(tx: Transaction, vendor: str, fetcher_id: UUID) -> Row:
    """The vendor's budget, locked: the transaction that holds it may claim calls and lease permits. Everything is read
    after the wait for the lock: the clock, the vendor's configuration and the calls that other fetchers have open."""
    if not await tx.fetchval(SQL["lock_budget"], vendor):
        await tx.execute(SQL["insert_budget"], vendor)
        await tx.execute(SQL["lock_budget"], vendor)
    row = await tx.fetchrow(SQL["read_budget"], vendor, fetcher_id)
    assert row is not None
    return row


async def find_due(
    tx: Transaction, vendor: str, most: int, *, take_suspect: Callable[[], bool] = lambda: True
) -> list[UUID]:
    """The next calls of this vendor, locked. One that fetchers have ended with is among them, as the first, when it has
    been due for long or nothing else is due, and if `take_suspect` says that it may be opened."""
    rows = await tx.fetch(SQL["find_due"], vendor, most, SUSPECT_FROM, _LONG)
    suspects = [row["id"] for row in rows if row["suspect"]]
    others = [row["id"] for row in rows if not row["suspect"]]
    return [*suspects, *others][:most] if suspects and take_suspect() else others


async def find_probe(tx: Transaction, vendor: str) -> list[UUID]:
    """A call that shows whether a vendor works again, locked; none where only suspects are due."""
    return [row["id"] for row in await tx.fetch(SQL["find_probe"], vendor, SUSPECT_FROM)]


async def claim_calls(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> list[Claimed]:
    """Make these calls this fetcher's."""
    rows = await tx.fetch(SQL["claim_calls"], ids, fetcher_id) if ids else []
    return [claimed_of(row) for row in rows]


async def return_in_doubt(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> None:
    """Let the calls of a claim wait again that may have taken effect or not: none of them was begun."""
    if ids:
        await tx.execute(SQL["return_in_doubt"], ids, fetcher_id)


async def mark_calls(
    tx: Transaction, fetcher_id: UUID, lease_seconds: float, calls: Sequence[Claimed]
) -> dict[UUID, int]:
    """Mark calls that are about to leave; gives those that are still this fetcher's by id, each with the time until
    which no other fetcher takes it over, in microseconds on the database's clock."""
    ordered = sorted(calls, key=lambda call: call.id)
    ids, claims = [call.id for call in ordered], [call.claim for call in ordered]
    rows = await tx.fetch(SQL["mark_calls"], fetcher_id, ids, claims, lease_seconds)
    return {row["id"]: row["until_us"] for row in rows}


async def update_permits(tx: Transaction, vendor: str, permits: dict[str, object]) -> None:
    """Write down where the windows of the contract are."""
    await tx.execute(SQL["update_permits"], vendor, permits)


async def stop_fetcher(database: Database, fetcher_id: UUID) -> None:
    """A stop of this fetcher was requested: what it leaves open did not end it."""
    await database.execute(SQL["stop_fetcher"], fetcher_id)
