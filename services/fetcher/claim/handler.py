"""fetch.requested → calls."""

from collections.abc import Sequence

from services.fetcher.claim import store
from shared.database.pool import Transaction
from shared.events.envelope import Incoming
from shared.events.tasks import FetchRequested
from shared.messaging.handler import Result


async def claim_calls(tx: Transaction, batch: Sequence[Incoming[FetchRequested]]) -> list[Result]:
    """Write down what is to be called; the lanes take it from there."""
    await store.insert_calls(tx, sorted(batch, key=lambda incoming: incoming.id))
    return []
