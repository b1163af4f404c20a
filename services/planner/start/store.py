"""Rows of hooks."""

from collections.abc import Collection

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.messaging.latest import read_latest
from shared.specification.hook import Hook

SQL = load_queries(__file__)


async def find_hooks(tx: Transaction, names: Collection[str]) -> dict[str, Hook | None]:
    """The hooks of these names; None is one that this release cannot read."""
    rows = await tx.fetch(SQL["find_hooks"], sorted(names))
    return {row["id"]: read_latest(Hook, row["id"], row["document"]) for row in rows}
