"""Counts the dead letters that are open, for the metric that alerts are made of."""

from services.callback_gateway.metrics import LETTERS_OPEN
from services.callback_gateway.redrive import store
from shared.database.pool import Database

_PAUSE_SECONDS = 15.0
_MOST_REASONS = 100


class CountOpen:
    """One step of the loop. Reasons are few, but anyone who writes to a dead-letter topic could invent more: those
    beyond the most frequent ones are counted together as `other`."""

    def __init__(self, database: Database, *, most_reasons: int = _MOST_REASONS) -> None:
        self._database = database
        self._most_reasons = most_reasons

    async def step(self) -> float:
        """Count them all; gives the seconds until the next round."""
        async with self._database.transaction() as tx:
            counted = await store.count_open(tx)
        # What is counted no more has no series any more. Nothing is awaited in here, so nobody sees half of it.
        LETTERS_OPEN.clear()
        for service, reason, count in counted[: self._most_reasons]:
            LETTERS_OPEN.labels(service=service, reason=reason).set(count)
        rest = sum(count for _, _, count in counted[self._most_reasons :])
        if rest:
            LETTERS_OPEN.labels(service="other", reason="other").set(rest)
        return _PAUSE_SECONDS
