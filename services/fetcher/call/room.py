"""Room for large bodies. A process may have hundreds of calls open; if all of their answers were as large as their
vendors' limits allow, they would need gigabytes.

A small body is just read. One that turns out to be large takes a place before more of it is read: as large as it says
that it is, or else as its vendor's limit; or, where it goes to the payload store in pieces, as large as what is held of
it on the way. It gives the place back when its call is over. While there is no place nothing more is read of it: the
vendor waits, and the time is not counted as the vendor's.

No vendor has more than half of the room, and no body counts for more than that, so a slow one leaves the other half to
others. Who came first is first, but a body may pass those that wait, as long as each of them would fit in beside all
that have passed it. So at least half of the room is open to what may pass, and nobody waits for what came later: when
those are over that were there before, there is a place.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count


@dataclass(eq=False, slots=True)
class Body:
    """A large body, which counts for `size` bytes and was the `number`th to come."""

    vendor: str
    size: int
    number: int
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Room:
    """`most_bytes`: what all large bodies together may count for. One that is larger than half of it may take more."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._half = most_bytes // 2
        self._numbers = count()
        self._admitted: list[Body] = []
        self._waiting: list[Body] = []

    async def take(self, vendor: str, size: int) -> Body:
        """Wait for a place of so many bytes."""
        body = Body(vendor, min(size, self._half), next(self._numbers))
        self._waiting.append(body)
        self._admit()
        try:
            await body.admitted
        except asyncio.CancelledError:
            (self._waiting if body in self._waiting else self._admitted).remove(body)
            self._admit()
            raise
        return body

    def give_back(self, body: Body) -> None:
        """Its place is free again."""
        self._admitted.remove(body)
        self._admit()

    def _admit(self) -> None:
        """Admit those who have a place now, the oldest first. Whoever passes one that waits takes only what is left
        beside that one and all that have passed it."""
        free = self._most - sum(body.size for body in self._admitted)
        own: dict[str, int] = defaultdict(lambda: self._half)
        for body in self._admitted:
            own[body.vendor] -= body.size
        for body in list(self._waiting):
            if body.size <= min(free, own[body.vendor]):
                self._waiting.remove(body)
                self._admitted.append(body)
                free -= body.size
                own[body.vendor] -= body.size
                if not body.admitted.done():
                    body.admitted.set_result(None)
            else:
                passed = [other for other in self._admitted if other.number > body.number]
                passed_own = [other for other in passed if other.vendor == body.vendor]
                free = min(free, self._most - body.size - sum(other.size for other in passed))
                own_left = self._half - body.size - sum(other.size for other in passed_own)
                own[body.vendor] = min(own[body.vendor], own_left)


class Place:
    """The place of one body, which has `size` bytes at most. It has none until it is known to be large."""

    def __init__(self, room: Room, vendor: str, size: int) -> None:
        self._room = room
        self._vendor = vendor
        self._size = size
        self._body: Body | None = None

    async def take(self, most_bytes: int | None = None) -> None:
        """Wait for room: the body is large. `most_bytes`: of one that goes through in pieces no more is held."""
        if self._body is None:
            size = self._size if most_bytes is None else min(self._size, most_bytes)
            self._body = await self._room.take(self._vendor, size)

    def give_back(self) -> None:
        """Nobody needs the body any more."""
        if self._body is not None:
            self._room.give_back(self._body)
            self._body = None
