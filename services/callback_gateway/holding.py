"""What the broker did not take a moment ago is not asked of it again for a while, so that what is behind it moves.

Kept in memory only: another process, or this one started anew, tries it once more.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from shared.runtime.clock import monotonic

K = TypeVar("K", bound=Hashable)


class Holding(Generic[K]):
    """Keys that rest for some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[K, float] = {}

    def hold(self, keys: Iterable[K]) -> None:
        """Let these rest from now on."""
        self._until.update(dict.fromkeys(keys, monotonic() + self._seconds))

    def held(self) -> list[K]:
        """The keys that rest."""
        now = monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return list(self._until)
