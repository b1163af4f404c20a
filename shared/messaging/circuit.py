"""When so much fails that a consumer must stand still. Pure."""

from collections import defaultdict, deque
from functools import partial

from shared.events.envelope import Incoming, Position


class Circuit:
    """Counts the failures in each partition, of those that may be our own fault. The consumer must stand still above
    `run` of them in a row, or if more than half of `last` events failed at their first delivery: a bad deployment must
    not move a whole topic into the dead letters. In a row, the failure of any delivery counts.
    An event that comes again because its messages could not be sent counts once."""

    def __init__(self, run: int, last: int) -> None:
        self._run = run
        self._most = last // 2
        self._in_a_row: defaultdict[int, set[int]] = defaultdict(set)
        self._last: defaultdict[int, deque[int | None]] = defaultdict(partial(deque, maxlen=last))
        """The last events of each partition: the offset of one that failed, or None for one that was handled."""

    def passed(self, incoming: Incoming[object]) -> None:
        """Note that an event was handled."""
        partition = incoming.record.position.partition
        self._in_a_row[partition].clear()
        if not incoming.repeats:
            self._last[partition].append(None)

    def refused(self, at: Position, repeats: int) -> bool:
        """Note that the event at this position failed, after so many deliveries before; returns whether the consumer
        must stand still now."""
        run, last = self._in_a_row[at.partition], self._last[at.partition]
        run.add(at.offset)
        if not repeats and at.offset not in last:
            last.append(at.offset)
        return len(run) > self._run or len(last) - last.count(None) > self._most
