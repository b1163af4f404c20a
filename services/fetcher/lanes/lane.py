"""The lane of one vendor: claims calls together with their permits, and starts each at its moment. A lane that waits,
for an answer, a permit or a pause, holds up nobody but itself.

The vendor's row in `budgets` is the authority: whoever has it locked notes what became of the permits, counts what is
open, leases the moments and claims the calls, so the contract holds over all fetchers.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from services.fetcher.lanes import decide, store
from services.fetcher.lanes.calls import Calls
from services.fetcher.lanes.claim import ClaimResult, in_order
from services.fetcher.lanes.decide import LaneView
from services.fetcher.lanes.leases import COMMIT_US, Leases
from services.fetcher.lanes.load import Load
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.resources import Resources
from services.fetcher.lanes.slots import is_ad_hoc
from services.fetcher.metrics import PERMITS, PERMITTED_RATE, show_pause
from services.fetcher.model import REFUSALS
from services.fetcher.permits.decide import Report, ahead_of, rate_of, record
from services.fetcher.permits.lease import LeaseRequest, lease
from services.fetcher.permits.state import read_permits, write_permits
from shared.database.pool import Row, Transaction
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic
from shared.specification.vendor import CAREFUL_BUDGET, Vendor

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
        self.load = Load(vendor, resources.slots, self.look)
        self._leases = Leases(vendor, resources)
        self._resources = resources
        self._calls = calls
        self._woken = asyncio.Event()
        self._stopping = False
        self._in_doubt: tuple[UUID, ...] = ()
        self._unknown_since: float | None = None
        self._may_have_suspect = False
        self._crowded_seconds = 0.0
        self._lacks_calls = True
        self._lacks_slots = False
        self._is_paused = False

    def wake(self) -> None:
        """There are calls that are due. A lane that waits for something else looks when it has come."""
        if self._lacks_calls:
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
            self._lacks_calls, self._lacks_slots, self._is_paused = True, False, False
            result = ClaimResult((), decide.LONGEST_WAIT_SECONDS)
            try:
                result = await self._claim()
            except Unavailable as error:
                self._lacks_slots = False
                log.warning("lane.waiting", vendor=self.vendor, error=str(error))
            finally:
                self.load.claimed(len(result.calls), lacks_slots=self._lacks_slots)
                if self._may_have_suspect and not any(call.is_suspect for call in result.calls):
                    self._resources.slots.suspects.release()
                self._may_have_suspect = False
            self._calls.announce(result.calls)
            for call in result.calls:
                self._calls.start(call, Permit(self._leases, call), self.load)
            is_idle = not result.calls and self.is_done and not self._woken.is_set()
            is_found_again = self._lacks_calls or self._lacks_slots or self._is_paused
            if is_idle and result.pause_seconds >= decide.IDLE_SECONDS and is_found_again:
                return
            await self._wait(result)

    @property
    def is_done(self) -> bool:
        """Whether nothing is open, and nothing is to be noted."""
        return not (self.load.open or self._leases.reports or self._in_doubt)

    async def _wait(self, result: ClaimResult) -> None:
        """At least a turn, so that calls which end together are followed by calls which start together."""
        await asyncio.sleep(decide.TURN_SECONDS)
        left = min(result.pause_seconds, decide.LONGEST_WAIT_SECONDS) - decide.TURN_SECONDS
        step = _REPORTS_SECONDS if result.to_report else left
        while left > 0 and not self._woken.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(step, left)):
                    await self._woken.wait()
            if self._leases.reports and result.to_report:
                return
            left -= step

    async def _claim(self) -> ClaimResult:
        """Reports that arrive after the lock are left for the next claim. Calls of a commit whose answer was lost are
        returned by the next claim; no takeover would, since this fetcher is alive."""
        if self.load.free > 0:
            self._resources.slots.leave(self.vendor)
        elif not self._leases.reports and not self._in_doubt:
            self._lacks_calls, self._lacks_slots = False, True
            return ClaimResult((), decide.LONGEST_WAIT_SECONDS, to_report=self.load.open > 0)
        async with self._leases.lock_budget() as (tx, row):
            await store.return_in_doubt(tx, self._in_doubt, self._resources.fetcher_id)
            reports = self._leases.reports
            result = await self._lease(tx, row, reports)
            self._in_doubt += tuple(call.id for call in result.calls)
            self._leases.noted(reports)
        self._in_doubt = ()
        self._leases.committed()
        return result

    async def _lease(self, tx: Transaction, row: Row, reports: Sequence[Report]) -> ClaimResult:
        """Note what was reported, and claim what is due."""
        vendor, now, pace = self._resources.vendors.read(self.vendor, row), row["now_us"], row["pace"]
        budget = vendor.budget if vendor else CAREFUL_BUDGET
        self._leases.is_rate_limited = bool(budget.windows)
        show_pause(self.vendor, monotonic() + row["paused_seconds"])
        PERMITTED_RATE.labels(vendor=vendor_label(self.vendor)).set(rate_of(budget, pace) or 0)
        permits = record(budget, read_permits(row["permits"]), reports, now)
        self._leases.is_logged = self._leases.is_rate_limited or bool(permits.windows)
        most = self.load.most = 1 if row["refused_credentials"] >= REFUSALS else budget.in_flight
        due, pause_seconds = await self._due(tx, vendor, most, row)
        until = now + ahead_of(budget, _AHEAD_US)
        leased = lease(
            budget, permits, LeaseRequest(len(due), now + COMMIT_US * self._leases.is_rate_limited, until, pace)
        )
        # More calls change nothing where permits are short, for hours if a quota is used up.
        self._lacks_calls = self._lacks_calls and len(leased.moments) == len(due)
        if self._leases.is_logged and (leased.moments or reports):
            await store.update_permits(tx, self.vendor, write_permits(leased.permits))
        if not due:
            return ClaimResult((), pause_seconds, to_report=not self._lacks_calls)
        claimed = await store.claim_calls(tx, due[: len(leased.moments)], self._resources.fetcher_id)
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(claimed))
        calls = in_order(claimed, due, leased.moments, vendor)
        if self.load.at_vendor + len(calls) >= most:
            return ClaimResult(calls, decide.LONGEST_WAIT_SECONDS, to_report=True)
        return ClaimResult(calls, decide.pause_seconds(leased.next_at, until, now, left=len(due) - len(calls)))

    async def _due(self, tx: Transaction, vendor: Vendor | None, most: int, row: Row) -> tuple[list[UUID], float]:
        """The calls that there is room for now; where there are none, the seconds after which a look is worth it."""
        view = LaneView(
            may_come=self._may_become_known(vendor),
            refused=self.load.is_refused,
            paused_seconds=row["paused_seconds"],
            free=self.load.free,
            at_vendor=self.load.at_vendor,
            most=most,
        )
        if later := decide.not_yet(view):
            self._lacks_slots, self._is_paused = later.lacks_slots, later.is_paused
            return self._not_now(later.seconds)
        room = min(view.free, most - row["elsewhere"] - self.load.at_vendor)
        self._crowded_seconds = decide.crowded_seconds(room, self._crowded_seconds)
        if room <= 0:
            return self._not_now(self._crowded_seconds)
        due = await store.find_due(tx, self.vendor, room, take_suspect=self._take_suspect)
        self._lacks_calls, self._lacks_slots = len(due) < room, len(due) > self.load.free
        due = due[: self.load.free]
        self.load.claim(len(due))
        return due, decide.IDLE_SECONDS

    def _take_suspect(self) -> bool:
        self._may_have_suspect = self._resources.slots.suspects.take()
        return self._may_have_suspect

    def _not_now(self, seconds: float) -> tuple[list[UUID], float]:
        """Until it is known that something else than calls is waited for, each new call wakes the lane: it may come
        between the look and its end."""
        self._lacks_calls = False
        return [], seconds

    def _may_become_known(self, vendor: Vendor | None) -> bool:
        if vendor is not None or is_ad_hoc(self.vendor):
            self._unknown_since = None
            return False
        self._unknown_since = self._unknown_since or monotonic()
        return monotonic() - self._unknown_since < _CONFIGURATION_SECONDS
