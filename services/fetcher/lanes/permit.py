"""A call's permit: what the call may do with it, and what it reports of it."""

import asyncio

from services.fetcher.lanes.decide import Wait
from services.fetcher.lanes.leases import Leases
from services.fetcher.lanes.mark import Marks
from services.fetcher.metrics import PERMITS
from services.fetcher.model import Claimed
from services.fetcher.permits.decide import KEPT, LATEST, Report
from services.fetcher.permits.windows import SECOND
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label

_AGAIN_SECONDS = 1.0

log = get_logger(__name__)


class Permit:
    """A call's permit, from the moment it was leased until what became of it is known."""

    def __init__(self, leases: Leases, call: Claimed) -> None:
        self._leases = leases
        self._call = call
        self._marks: Marks | None = None
        self._marked_until = 0
        self._moment: int | None = call.moment
        """Nothing, once it was used."""
        self.is_used = False

    @property
    def seconds_left(self) -> float:
        """Until the moment; negative when it is over."""
        return 0.0 if self._moment is None else self._leases.clock.seconds_until(self._moment)

    @property
    def is_good(self) -> bool:
        """Whether the call may still begin."""
        return not self._leases.is_rate_limited or self.seconds_left > -LATEST / SECOND

    @property
    def is_kept(self) -> bool:
        """Whether the request may be written to a socket: its permit counts, and no fetcher has taken over a call that
        was marked."""
        return self.counts and self._is_marked

    @property
    def counts(self) -> bool:
        """Whether there is a permit that no fetcher has given up, where the vendor's contract asks for one."""
        return not self._leases.is_rate_limited or (self._moment is not None and self.seconds_left > -KEPT / SECOND)

    async def mark(self, marks: Marks) -> bool:
        """Mark the call, which must not be repeated, and again for each redirect; gives whether it may leave."""
        self._marks, self._marked_until = marks, await marks.mark(self._call)
        return self._is_marked

    @property
    def _is_marked(self) -> bool:
        """Whether the mark is still good, if the call needs one."""
        return self._marks is None or self._leases.clock.seconds_until(self._marked_until) > 0

    def left(self) -> None:
        """The request is on the socket."""
        self._leases.report(Report(self._moment, self._leases.clock.now()))
        if self._moment is not None:
            self._count("used")
        self._moment, self.is_used = None, True

    async def again(self) -> None:
        """Waits until the call may leave once more, for a redirect, with a permit and a mark of its own. It waits for
        as long as the contract makes it: what ends that is the call's own deadline, also if the call is another
        fetcher's by now. A permit that it still has is given back."""
        self._give_back()
        while not await self._lease_another():
            self._give_back()

    async def _lease_another(self) -> bool:
        """Whether the call may leave now, after one wait."""
        if self._leases.is_rate_limited:
            try:
                leased = await self._leases.lease_another()
            except Unavailable as error:
                log.warning("redirect.waiting", vendor=self._leases.vendor, error=str(error))
                leased = Wait(_AGAIN_SECONDS)
            if isinstance(leased, Wait):
                await asyncio.sleep(leased.seconds)
                return False
            self._moment = leased
            await asyncio.sleep(max(0.0, self.seconds_left))
        if self._marks is not None and not await self.mark(self._marks):
            await asyncio.sleep(_AGAIN_SECONDS)
            return False
        return self.is_good

    def close(self) -> None:
        """The call is over; if it never left, the permit is free again."""
        self._give_back()

    def _give_back(self) -> None:
        if self._moment is not None:
            self._leases.report(Report(self._moment, None))
            self._count("returned")
            self._moment = None

    def _count(self, fate: str) -> None:
        PERMITS.labels(vendor=vendor_label(self._leases.vendor), fate=fate).inc()
