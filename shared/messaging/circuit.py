"""When so much fails that a consumer must stand still. Pure."""

from collections import defaultdict

from shared.events.envelope import Position


class Circuit:
    """Counts the failures in a row in each partition, of those that may be our own fault. Above `run` the consumer must
    stand still: a bad deployment must not move a whole topic into the dead letters. The failure of any delivery counts.
    An event that comes again because its messages could not be sent counts once."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._in_a_row: defaultdict[int, set[int]] = defaultdict(set)

    def passed(self, partition: int) -> None:
        """Note that an event of this partition was handled."""
        self._in_a_row[partition].clear()

    def refused(self, at: Position) -> bool:
        """Note that the event at this position failed; returns whether the consumer must stand still now."""
        self._in_a_row[at.partition].add(at.offset)
        return len(self._in_a_row[at.partition]) > self._run
