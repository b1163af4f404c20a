"""How many calls one batch of events may plan. They are held at once, in several forms, until they are sent. Pure."""

from collections.abc import Iterable

from services.planner.model import PlannedCall
from shared.errors import SluiceError

_MOST_BYTES = 48 * 2**20
_CALL_BYTES = 2048
"""The memory of a planned call and of its event, besides its text."""


class TooMuchAtOnce(SluiceError):
    """The events of this batch together plan too many calls; the shell halves it. One event alone plans whatever it
    leads to: `paging/counted.py` and `invocation.py` limit that."""


class Room:
    """The room for the calls that one batch of events plans."""

    def __init__(self, events: int) -> None:
        self._events, self._bytes = events, 0

    def take(self, calls: Iterable[PlannedCall]) -> None:
        """Count calls in.

        Raises:
            TooMuchAtOnce: there is no room for them, and the batch has other events.
        """
        self._bytes += sum(call.size + _CALL_BYTES for call in calls)
        if self._events > 1 and self._bytes > _MOST_BYTES:
            raise TooMuchAtOnce
