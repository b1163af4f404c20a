"""Room for large bodies. A process may have hundreds of calls open; if all of their answers were as large as their
vendors' limits allow, they would need gigabytes.

A small body is just read. One that turns out to be large takes a place as large as its vendor's limit before more of it
is read, and gives it back when its call is over. While there is no place nothing more is read of it: the vendor waits,
and the time is not counted as the vendor's.
"""

import asyncio

from shared.runtime.clock import monotonic


class Room:
    """`most_bytes`: what all large bodies together may take. One alone always has a place, however large."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken = 0
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait for a place of so many bytes."""
        while self._taken and self._taken + size > self._most:
            self._freed.clear()
            await self._freed.wait()
        self._taken += size

    def give_back(self, size: int) -> None:
        """It is free again."""
        self._taken -= size
        self._freed.set()


class Place:
    """The place of one body, which has `size` bytes at most. It has none until it is known to be large."""

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self._size = size
        self._is_taken = False

    async def take(self) -> float:
        """The body is large; returns how many seconds it waited for its place."""
        if self._is_taken:
            return 0.0
        began = monotonic()
        await self._room.take(self._size)
        self._is_taken = True
        return monotonic() - began

    def give_back(self) -> None:
        """Nobody needs the body any more."""
        if self._is_taken:
            self._room.give_back(self._size)
            self._is_taken = False
