"""What the broker did not take a moment ago rests: it is not sent again for a while, so that what is behind it moves.

As with partitions that rest (`shared/messaging/resting.py`) only this process knows, in its memory.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from shared.runtime.clock import monotonic

K = TypeVar("K", bound=Hashable)


class RestingKeys(Generic[K]):
    """Keys that rest for some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[K, float] = {}

    def rest(self, keys: Iterable[K]) -> None:
        """These rest from now on."""
        self._until.update(dict.fromkeys(keys, monotonic() + self._seconds))

    def resting(self) -> list[K]:
        """The keys that rest."""
        now = monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return list(self._until)
