"""Payloads that no pointer leads to, and none ever will: those of outcomes that did not count, because the call was
another fetcher's by then, and what a fetcher may have stored that ended before it could say so."""

from collections.abc import Iterable

from services.fetcher.model import Claimed
from shared.payloads.store import PayloadStore, path_of

_MOST_AT_ONCE = 500
_PAUSE_SECONDS = 1.0


class Leftovers:
    """What is to be deleted. A process that ends forgets it."""

    def __init__(self) -> None:
        self._uris: list[str] = []

    def add(self, calls: Iterable[Claimed]) -> None:
        """Delete what was stored under these claims, if anything was. They must have lost their calls for certain."""
        self._uris += [path_of(call.request.job_id, call.payload) for call in calls]

    async def delete(self, payloads: PayloadStore) -> float:
        """One step of a loop; gives the seconds until the next."""
        taken = self._uris[:_MOST_AT_ONCE]
        if taken:
            await payloads.delete(taken)
            del self._uris[: len(taken)]
        return 0.0 if self._uris else _PAUSE_SECONDS
