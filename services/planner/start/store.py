"""Rows of hooks."""

from collections.abc import Collection

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.specification.hook import Hook

SQL = load_queries(__file__)


async def find_hooks(tx: Transaction, names: Collection[str]) -> dict[str, Hook]:
    """The hooks of these names."""
    rows = await tx.fetch(SQL["find_hooks"], sorted(names))
    return {row["id"]: Hook.model_validate_json(row["document"]) for row in rows}
