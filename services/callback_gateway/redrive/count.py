"""Counts the open dead letters, for the metric that the alert reads."""

from services.callback_gateway.metrics import LETTERS_OPEN, MOST_COUNTED
from services.callback_gateway.redrive import store
from shared.database.pool import Database

_PAUSE_SECONDS = 15.0
_MOST_REASONS = 100
_MOST_READ = 200


class CountOpen:
    """One step of the loop. However many letters there are, it reads few: of one service and reason it counts no more
    than `most_letters`. Reasons are few, but anyone who writes to a dead-letter topic could invent more: those beyond
    the most frequent ones are counted together as `other`, and of each service 200 are read."""

    def __init__(
        self, database: Database, *, most_reasons: int = _MOST_REASONS, most_letters: int = MOST_COUNTED
    ) -> None:
        self._database = database
        self._most_reasons = most_reasons
        self._most_letters = most_letters
        self._shown: set[tuple[str, str]] = set()

    async def step(self) -> float:
        """Count once; returns the seconds until the next count."""
        async with self._database.transaction() as tx:
            counted = await store.count_open(tx, self._most_letters, _MOST_READ)
        found = {(service, reason): count for service, reason, count in counted[: self._most_reasons]}
        if rest := sum(count for _, _, count in counted[self._most_reasons :]):
            found["other", "other"] = rest
        for labels, count in found.items():
            LETTERS_OPEN.labels(*labels).set(count)
        # Afterwards: metrics are read by other threads, which must not miss what is still open.
        for labels in self._shown - found.keys():
            LETTERS_OPEN.remove(*labels)
        self._shown = set(found)
        return _PAUSE_SECONDS
