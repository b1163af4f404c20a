"""Memory for large bodies. A process may have hundreds of calls open; if all of their answers were as large as their
vendors' limits allow, they would need gigabytes.

A small body is just read. A large one reserves memory before more of it is read: as much as it says that it needs, or
else its vendor's limit; or, where it goes to the payload store in parts, as much as is held of it on the way. The
memory is free again when its call is over. While a body waits, nothing more is read of it: the vendor waits, and the
time does not count as the vendor's.

No vendor has more than half of the memory, nor have all ad-hoc vendors together, and no body counts for more than that,
so slow vendors leave the other half to others. The body that came first is first, but a later one may pass those that
wait, as long as each of them would fit in beside all that have passed it. So at least half of the memory is open to
bodies that may pass, and no body waits for one that came later: when those are over that were there before, there is
memory for it.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

from shared.specification.vendor import AD_HOC


@dataclass(eq=False, slots=True)
class Body:
    """A large body, which counts for `size` bytes and was the `number`th to come. `owner`: whose half it counts
    against, a vendor's or that of all ad-hoc vendors."""

    owner: str
    size: int
    number: int
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class BodyMemory:
    """`most_bytes`: what all large bodies together may count for. A body that is larger than half of it may take
    more."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._half = most_bytes // 2
        self._numbers = count()
        self._admitted: list[Body] = []
        self._waiting: list[Body] = []

    async def admit(self, vendor: str, size: int) -> Body:
        """Wait until a body of so many bytes has its memory."""
        owner = AD_HOC if vendor.startswith(AD_HOC) else vendor
        body = Body(owner, min(size, self._half), next(self._numbers))
        self._waiting.append(body)
        self._admit_waiting()
        try:
            await body.admitted
        except asyncio.CancelledError:
            (self._waiting if body in self._waiting else self._admitted).remove(body)
            self._admit_waiting()
            raise
        return body

    def release(self, body: Body) -> None:
        """The memory of this body is free again."""
        self._admitted.remove(body)
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        """Admit the bodies that there is memory for now, the oldest first. A body that passes a waiting one takes only
        what is left beside that one and all that have passed it."""
        free = self._most - sum(body.size for body in self._admitted)
        own: dict[str, int] = defaultdict(lambda: self._half)
        for body in self._admitted:
            own[body.owner] -= body.size
        for body in list(self._waiting):
            if body.size <= min(free, own[body.owner]):
                self._waiting.remove(body)
                self._admitted.append(body)
                free -= body.size
                own[body.owner] -= body.size
                if not body.admitted.done():
                    body.admitted.set_result(None)
            else:
                passed = [other for other in self._admitted if other.number > body.number]
                passed_own = [other for other in passed if other.owner == body.owner]
                free = min(free, self._most - body.size - sum(other.size for other in passed))
                own_left = self._half - body.size - sum(other.size for other in passed_own)
                own[body.owner] = min(own[body.owner], own_left)


class BodyReservation:
    """What the body of one answer, which has `size` bytes at most, reserves: nothing until it is known to be large."""

    def __init__(self, memory: BodyMemory, vendor: str, size: int) -> None:
        self._memory = memory
        self._vendor = vendor
        self._size = size
        self._body: Body | None = None

    async def make(self, most_bytes: int | None = None) -> None:
        """Wait for memory: the body is large. `most_bytes`: no more is held of a body that goes through in parts."""
        if self._body is None:
            size = self._size if most_bytes is None else min(self._size, most_bytes)
            self._body = await self._memory.admit(self._vendor, size)

    def release(self) -> None:
        """The body is not needed any more."""
        if self._body is not None:
            self._memory.release(self._body)
            self._body = None
