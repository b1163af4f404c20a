"""Rows of webhooks whose senders gave them ids."""

from collections.abc import Mapping
from uuid import UUID

from shared.database.pool import Transaction
from shared.database.queries import load_queries

SQL = load_queries(__file__)


async def claim_webhooks(tx: Transaction, fingerprints: Mapping[UUID, bytes]) -> dict[UUID, bytes]:
    """Claim ids, in order, so that two gateways never wait for each other in a circle; gives what others were first
    with."""
    ids = sorted(fingerprints)
    rows = await tx.fetch(SQL["claim_webhooks"], ids, [fingerprints[one] for one in ids])
    new = {row["id"] for row in rows}
    known = [one for one in ids if one not in new]
    if not known:
        return {}
    return {row["id"]: row["fingerprint"] for row in await tx.fetch(SQL["find_fingerprints"], known)}
