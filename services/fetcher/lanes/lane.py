"""The lane of one vendor: claims calls together with their permits, and starts each at its moment. A lane that waits,
for an answer, a permit or a pause, holds up no other.

The vendor's row in `budgets` is the authority. The transaction that has it locked notes what became of the permits,
counts what is open, leases the moments and claims the calls, so the contract holds over all fetchers. A claim goes like
this: `decide.look` says whether it is worth it, one transaction gives a `ClaimResult`, and `_apply` puts that in force
here.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from services.fetcher.lanes import decide, store
from services.fetcher.lanes.calls import Calls
from services.fetcher.lanes.claim import ClaimResult, in_order
from services.fetcher.lanes.decide import Claim, LaneView, Look, Wait
from services.fetcher.lanes.leases import Leases
from services.fetcher.lanes.load import LaneLoad
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.resources import Resources
from services.fetcher.lanes.slots import is_ad_hoc
from services.fetcher.lanes.terms import Terms
from services.fetcher.metrics import PERMITS, PERMITTED_RATE, show_vendor
from services.fetcher.permits.decide import rate_of
from services.fetcher.permits.state import write_permits
from services.fetcher.permits.windows import Permits
from shared.database.pool import Transaction
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic

_AHEAD_US = 120_000
_REPORTS_SECONDS = 0.1
"""While there is no room for more calls, reports of those that have left are noted so soon: others lease by them."""
_CONFIGURATION_SECONDS = 60.0
"""A vendor's configuration may be on its way for so long; then the calls that wait for it are given up."""

log = get_logger(__name__)


class Lane:
    """Calls towards one vendor."""

    def __init__(self, vendor: str, resources: Resources, calls: Calls) -> None:
        self.vendor = vendor
        self.load = LaneLoad(vendor, resources.slots, self.look)
        self._leases = Leases(vendor, resources)
        self._resources = resources
        self._calls = calls
        self._woken = asyncio.Event()
        self._stopping = False
        self._unknown_since: float | None = None
        self._is_failing = False
        self._in_doubt: tuple[UUID, ...] = ()
        """Calls of a claim whose commit may have failed."""
        self._wait = Wait(0.0, lacks_calls=True)
        """What the lane waits for, by its last claim."""

    def wake(self) -> None:
        """There are calls that are due. A lane that waits for something else does not look for them now."""
        if self._wait.lacks_calls:
            self.look()

    def look(self) -> None:
        """Look for calls now, whatever the lane waits for."""
        self._woken.set()

    def stop(self) -> None:
        """Claim no more."""
        self._stopping = True
        self.look()

    async def run(self) -> None:
        """Until nothing is left to do here."""
        while not self._stopping:
            self._woken.clear()
            # A call that comes from now on may come after the look, and before it is known what the lane waits for.
            self._wait = replace(self._wait, lacks_calls=True)
            result = ClaimResult((), Wait(decide.LONGEST_WAIT_SECONDS, lacks_calls=True))
            try:
                result = await self._claim()
            except Unavailable as error:
                log.warning("lane.waiting", vendor=self.vendor, error=str(error))
            finally:
                self._apply(result)
            if self._wait.may_end and not result.calls and self.is_done and not self._woken.is_set():
                return
            await self._sleep(self._wait)

    @property
    def is_done(self) -> bool:
        """Whether nothing is open, and nothing is to be noted."""
        return not (self.load.open or self._leases.has_reports or self._in_doubt)

    def _apply(self, result: ClaimResult) -> None:
        """The claim is over: its calls are made, and the lane waits as it says."""
        self._wait = result.wait
        has_suspect = any(call.is_suspect for call in result.calls)
        self.load.claimed(len(result.calls), has_suspect=has_suspect, lacks_slots=result.wait.lacks_slots)
        self._calls.announce(result.calls)
        for call in result.calls:
            self._calls.start(call, Permit(self._leases, call), self.load)

    async def _sleep(self, wait: Wait) -> None:
        """At least a turn, so that calls which end together are followed by calls which start together."""
        await asyncio.sleep(decide.TURN_SECONDS)
        left = min(wait.seconds, decide.LONGEST_WAIT_SECONDS) - decide.TURN_SECONDS
        step = _REPORTS_SECONDS if wait.to_report else left
        while left > 0 and not self._woken.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(step, left)):
                    await self._woken.wait()
            if self._leases.has_reports and wait.to_report:
                return
            left -= step

    async def _claim(self) -> ClaimResult:
        """One transaction, unless it would gain nothing. If its commit may have failed the next one returns its calls:
        no takeover would, since this fetcher is alive."""
        if self.load.free > 0:
            self._resources.slots.leave(self.vendor)
        elif not self._leases.has_reports and not self._in_doubt:
            wait = Wait(decide.LONGEST_WAIT_SECONDS, lacks_slots=True, to_report=self.load.open > 0)
            return ClaimResult((), replace(wait, crowded_seconds=self._wait.crowded_seconds))
        async with self._leases.note_reports() as (tx, terms):
            await store.return_in_doubt(tx, self._in_doubt, self._resources.fetcher_id)
            self._learn(terms)
            result = await self._claim_on(tx, terms)
            self._in_doubt += tuple(call.id for call in result.calls)
        self._in_doubt = ()
        return result

    def _learn(self, terms: Terms) -> None:
        """What the vendor's row says holds at once, also for the calls that are open."""
        is_known = terms.vendor is not None or is_ad_hoc(self.vendor)
        self._unknown_since = None if is_known else self._unknown_since or monotonic()
        self.load.most = terms.most
        if self._is_failing and not terms.is_failing:
            log.info("vendor.circuit_closed", vendor=self.vendor, works=terms.faults == 0)
        self._is_failing = terms.is_failing
        show_vendor(self.vendor)
        PERMITTED_RATE.labels(vendor=vendor_label(self.vendor)).set(rate_of(terms.budget, terms.pace) or 0)

    async def _claim_on(self, tx: Transaction, terms: Terms) -> ClaimResult:
        """On these terms: look for calls if that is worth it."""
        match decide.look(self._view(terms)):
            case Wait() as wait:
                await self._write(tx, terms.permits, is_changed=terms.has_news)
                return ClaimResult((), wait)
            case Look(room):
                return await self._claim_due(tx, terms, room)

    def _view(self, terms: Terms) -> LaneView:
        since = self._unknown_since
        return LaneView(
            may_come=since is not None and monotonic() - since < _CONFIGURATION_SECONDS,
            refused=self.load.is_refused,
            paused_seconds=terms.paused_seconds,
            free=self.load.free,
            at_vendor=self.load.at_vendor,
            elsewhere=terms.elsewhere,
            most=terms.most,
            crowded_seconds=self._wait.crowded_seconds,
        )

    async def _claim_due(self, tx: Transaction, terms: Terms, room: int) -> ClaimResult:
        """Claim the calls that are due, as far as there are slots and permits. The slots are taken at once: other lanes
        may have taken some since this one counted them."""
        found = await store.find_probe(tx, self.vendor) if terms.is_failing else []
        if not found:
            found = await store.find_due(tx, self.vendor, room, take_suspect=self.load.take_suspect)
        due = found[: self.load.free]
        self.load.reserve(len(due))
        leased = terms.lease(len(due), _AHEAD_US)
        await self._write(tx, leased.permits, is_changed=terms.has_news or bool(leased.moments))
        claimed = await store.claim_calls(tx, due[: len(leased.moments)], self._resources.fetcher_id)
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(claimed))
        claim = Claim(
            room,
            found=len(found),
            due=len(due),
            leased=len(claimed),
            is_full=self.load.at_vendor + len(claimed) >= terms.most,
            next_seconds=decide.seconds_until_near(leased.next_at, terms.until(_AHEAD_US), terms.now),
        )
        return ClaimResult(in_order(claimed, due, leased.moments, terms.vendor), decide.wait_after(claim))

    async def _write(self, tx: Transaction, permits: Permits, *, is_changed: bool) -> None:
        if self._leases.is_logged and is_changed:
            await store.update_permits(tx, self.vendor, write_permits(permits))
