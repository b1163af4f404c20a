"""How many calls and messages one batch of events may lead to, which are held at once until they are sent, and how long
its events may be examined. Pure."""

from collections.abc import Iterable

from services.planner.model import PlannedCall
from shared.errors import SluiceError

_MOST_BYTES = 48 * 2**20
_EACH_BYTES = 2048
"""The memory of a planned call and of its event, besides the call's text; or of a message and the row behind it."""
_MOST_SECONDS = 5.0
"""Meanwhile the transaction is idle, and Postgres ends it after `Settings.idle_seconds`. The last event that begins in
this time may take a few seconds more."""


class TooMuchAtOnce(SluiceError):
    """The events of this batch together lead to too many calls or messages, or take too long to examine; the shell
    halves it. One event alone always has room: `paging/counted.py`, `invocation.py` and `control/store.py` limit what
    it leads to."""


class Room:
    """The room for what one batch of events leads to."""

    def __init__(self, events: int) -> None:
        self._events, self._bytes = events, 0

    def take(self, calls: Iterable[PlannedCall]) -> None:
        """Count calls in.

        Raises:
            TooMuchAtOnce: there is no room for them, and the batch has other events.
        """
        self._take(sum(call.size + _EACH_BYTES for call in calls))

    def take_messages(self, count: int) -> None:
        """Count messages in.

        Raises:
            TooMuchAtOnce: as `take`.
        """
        self._take(count * _EACH_BYTES)

    def take_bytes(self, size: int) -> None:
        """Count the bytes of messages in, beside the messages themselves.

        Raises:
            TooMuchAtOnce: as `take`.
        """
        self._take(size)

    def check_seconds(self, passed: float) -> None:
        """See that the next event can be examined, too, where so many seconds have passed since the first was begun.

        Raises:
            TooMuchAtOnce: there is no time for it, and the batch has other events.
        """
        if self._events > 1 and passed > _MOST_SECONDS:
            raise TooMuchAtOnce

    def _take(self, size: int) -> None:
        self._bytes += size
        if self._events > 1 and self._bytes > _MOST_BYTES:
            raise TooMuchAtOnce
