"""Partitions that did not take their messages a moment ago rest: they are not waited for again and again.

Kept in memory only: another process, or this one started anew, finds them out once more.
"""

from collections.abc import Iterable

Partition = tuple[str, int | None]
"""A topic and a number; no number while the partitions of the topic are not known."""

PROBE_SECONDS = 0.5
"""How long a partition that has rested is waited for. An answer that comes later still counts: it ends the doubt."""
_REST_SECONDS = 5.0


class Resting:
    """Partitions in doubt. Each rests for some seconds, is then asked again, and rests on if it does not answer."""

    def __init__(self) -> None:
        self._until: dict[Partition, float] = {}

    @property
    def is_empty(self) -> bool:
        """Whether all is well, as far as is known."""
        return not self._until

    def is_in_doubt(self, partition: Partition) -> bool:
        """Whether it did not take what it was last asked to."""
        return partition in self._until

    def rests(self, partition: Partition, now: float) -> bool:
        """Whether it is not to be asked yet; `now` in seconds of any clock that never goes back."""
        return self._until.get(partition, now) > now

    def rest(self, partitions: Iterable[Partition], now: float) -> None:
        """These took nothing."""
        self._until.update(dict.fromkeys(partitions, now + _REST_SECONDS))

    def trust(self, partitions: Iterable[Partition]) -> None:
        """These took something."""
        for partition in partitions:
            self._until.pop(partition, None)
