"""Room for large bodies. A process may have hundreds of calls open; if all of their answers were as large as their
vendors' limits allow, they would need gigabytes.

A small body is just read. One that turns out to be large takes a place as large as its vendor's limit before more of it
is read, and gives it back when its call is over. While there is no place nothing more is read of it: the vendor waits,
and the time is not counted as the vendor's. Who came first is first; a vendor that has half of the room already lets
others pass.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from shared.runtime.clock import monotonic


@dataclass(eq=False, slots=True)
class _Waiter:
    vendor: str
    size: int
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Room:
    """`most_bytes`: what all large bodies together may take. One alone always has a place, however large."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []

    async def take(self, vendor: str, size: int) -> None:
        """Wait for a place of so many bytes."""
        waiter = _Waiter(vendor, size)
        self._waiting.append(waiter)
        self._admit()
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._taken[vendor] -= size
            self._admit()
            raise

    def give_back(self, vendor: str, size: int) -> None:
        """It is free again."""
        self._taken[vendor] -= size
        self._admit()

    def _admit(self) -> None:
        self._taken += Counter()  # drops vendors that have nothing any more
        for waiter in list(self._waiting):
            own, all_taken = self._taken[waiter.vendor], self._taken.total()
            if own and own + waiter.size > self._most / 2:
                continue
            if all_taken and all_taken + waiter.size > self._most:
                return
            self._waiting.remove(waiter)
            self._taken[waiter.vendor] += waiter.size
            if not waiter.admitted.done():
                waiter.admitted.set_result(None)


class Place:
    """The place of one body, which has `size` bytes at most. It has none until it is known to be large."""

    def __init__(self, room: Room, vendor: str, size: int) -> None:
        self._room = room
        self._vendor = vendor
        self._size = size
        self._is_taken = False

    async def take(self) -> float:
        """The body is large; returns how many seconds it waited for its place."""
        if self._is_taken:
            return 0.0
        began = monotonic()
        await self._room.take(self._vendor, self._size)
        self._is_taken = True
        return monotonic() - began

    def give_back(self) -> None:
        """Nobody needs the body any more."""
        if self._is_taken:
            self._room.give_back(self._vendor, self._size)
            self._is_taken = False
