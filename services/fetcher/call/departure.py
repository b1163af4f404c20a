"""Whether the request of a call has left: only then may the vendor have it."""

from contextvars import ContextVar

from services.fetcher.model import Leave


class Departure:
    """A call's permit while it is made, and whether a request may have been written to a socket under it."""

    def __init__(self, leave: Leave) -> None:
        self._leave = leave
        self.has_left = False

    @property
    def is_kept(self) -> bool:
        """Whether the request may be written to a socket now."""
        return self._leave.is_kept

    def leaves(self) -> None:
        """The request is about to be written: from now on the vendor may have it."""
        self.has_left = True

    def left(self) -> None:
        """The request is written to a socket: from now on the vendor counts it."""
        self._leave.left()

    async def again(self) -> None:
        """Wait until the request may be written once more, to the target of a redirect."""
        await self._leave.again()


DEPARTURE: ContextVar[Departure] = ContextVar("departure")
"""The departure of the call that this context makes."""
