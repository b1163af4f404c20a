"""Rows of fetchers, and of the calls of those that are gone."""

from collections.abc import Sequence
from uuid import UUID

from services.fetcher.model import MOST_TAKEOVERS, Claimed, Unsent
from services.fetcher.rows import claimed_of
from shared.database.pool import Database, Transaction
from shared.database.queries import load_queries
from shared.messaging.ledger import pack, unpack

SQL = load_queries(__file__)

MOST_INHERITED = 200
"""The next sign of life waits for these."""


async def find_silent(tx: Transaction, lease_seconds: float, but: UUID) -> list[UUID]:
    """Other fetchers that hold calls and gave no sign of life for so long; none if this fetcher gave none either."""
    return [row["fetcher_id"] for row in await tx.fetch(SQL["find_silent"], lease_seconds, but)]


async def return_calls(tx: Transaction, silent: Sequence[UUID]) -> list[Claimed]:
    """Open calls of silent fetchers that may be repeated, or never left, wait again; gives them with the claims that
    ended."""
    return [claimed_of(row) for row in await tx.fetch(SQL["return_calls"], silent, MOST_TAKEOVERS)]


async def find_lost(tx: Transaction, silent: Sequence[UUID]) -> list[Claimed]:
    """Open calls of silent fetchers that are not made again, locked: the vendor may have them and they must not be
    repeated, or too many fetchers ended with them."""
    return [claimed_of(row) for row in await tx.fetch(SQL["find_lost"], silent, MOST_TAKEOVERS)]


async def answer_calls(tx: Transaction, unsent: Sequence[Unsent], fetcher_id: UUID) -> None:
    """End calls in another fetcher's name."""
    ordered = sorted(unsent, key=lambda one: one.id)
    await tx.execute(
        SQL["answer_calls"], [one.id for one in ordered], [pack(one.messages) for one in ordered], fetcher_id
    )


async def inherit_answers(tx: Transaction, silent: Sequence[UUID], fetcher_id: UUID) -> list[Unsent]:
    """Answered calls of silent fetchers, at most `MOST_INHERITED`: their messages may not have been produced."""
    rows = await tx.fetch(SQL["inherit_answers"], silent, fetcher_id, MOST_INHERITED)
    return [Unsent(row["id"], unpack(row["outgoing"])) for row in rows]


async def find_inherited(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> list[Unsent]:
    """Answered calls of a takeover whose commit may have failed: those that are this fetcher's."""
    rows = await tx.fetch(SQL["find_inherited"], ids, fetcher_id) if ids else []
    return [Unsent(row["id"], unpack(row["outgoing"])) for row in rows]


async def delete_cancelled(tx: Transaction) -> None:
    """Calls of cancelled jobs that were open at the cancellation and were to be repeated: they are not."""
    await tx.execute(SQL["delete_cancelled"])


async def clear_calls(database: Database, fetcher_id: UUID) -> None:
    """This fetcher was taken for dead, and lives: none of its calls ended it."""
    async with database.transaction(reserved=True) as tx:
        await tx.execute(SQL["clear_calls"], fetcher_id)
