"""The lane of one vendor: claims calls together with their permits, and starts each at its moment. A lane that waits,
for an answer, a permit or a pause, holds up nobody but itself.

The vendor's row in `budgets` is the authority: whoever has it locked notes what became of the permits, counts what is
open, leases the moments and claims the calls, so the contract holds over all fetchers. Moments are on the database's
clock; the lane knows how far its own monotonic clock is from it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from services.fetcher.lanes import decide, store
from services.fetcher.lanes.block import Block, doubtful_of, in_order
from services.fetcher.lanes.decide import Leased, Standing, Wait
from services.fetcher.lanes.places import Suspects
from services.fetcher.metrics import PAUSED_SECONDS, PERMITS, PERMITTED_RATE
from services.fetcher.model import REFUSALS, Claimed
from services.fetcher.permits.decide import FARTHEST_AHEAD, Report, ahead_of, rate_of, record
from services.fetcher.permits.lease import LeaseRequest, lease
from services.fetcher.permits.state import read_permits, write_permits
from shared.database.pool import Database, Row, Transaction
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import DatabaseClock, monotonic
from shared.specification.vendor import AD_HOC, CAREFUL_BUDGET, Vendor

_AHEAD_US = 120_000
_COMMIT_US = 10_000
"""The first moment lies this far ahead: until the claim is committed, a permit for now would be late already."""
_SHARES = 4
_REPORTS_SECONDS = 0.1
"""While there is no room for more calls, reports of those that have left are noted so soon: others lease by them."""
_CONFIGURATION_SECONDS = 60.0
"""A vendor's configuration may be on its way for so long; then the calls that wait for it are given up."""

log = get_logger(__name__)


class Process(Protocol):
    """What a lane needs of the process that it is a part of."""

    database: Database
    fetcher_id: UUID
    stopping: bool
    suspects: Suspects

    def free(self, lane: "Lane") -> int:
        """How many more calls a lane may open."""

    def vendor_of(self, name: str, row: Row) -> Vendor | None:
        """The vendor as it is configured now."""

    def announce(self, calls: Sequence[Claimed]) -> None:
        """Tell that these are about to be made."""

    def start(self, lane: "Lane", call: Claimed) -> None:
        """Make a call at its moment, without waiting for it."""


class Lane:
    """Calls towards one vendor."""

    def __init__(self, vendor: str, process: Process) -> None:
        self.vendor = vendor
        self.open = 0
        """Calls that have a place in the process, from their claim until their outcome is written down."""
        self.answered = 0
        """Those of them that the vendor has answered well: it has room for others."""
        self.refused = 0
        """Those of them after which the vendor is to be left alone: until that is written down, nothing leaves."""
        self.claiming = 0
        """Calls that a claim under way will open."""
        self.woken = asyncio.Event()
        self.clock = DatabaseClock()
        self.contract = False
        self._is_logged = False
        """Whether calls are logged: for its windows, or for those that it had before and may have again."""
        self._process = process
        self._reports: list[Report] = []
        self._in_doubt: tuple[UUID, ...] = ()
        self._unknown_since: float | None = None
        self._may_have_suspect = False
        self._in_flight = 1
        self._crowded_seconds = 0.0
        self._lacks_calls = True

    def wake(self) -> None:
        """There are calls that are due. A lane that waits for something else looks when it has come."""
        if self._lacks_calls:
            self.woken.set()

    @property
    def at_vendor(self) -> int:
        """Calls that are in flight, or about to be. Answered calls stop counting, but at most `in_flight` of them,
        because a crash would repeat them."""
        return self.open - min(self.answered, self._in_flight)

    def was_answered(self) -> None:
        """The vendor answered one of the open calls well. It is asked again when there is room for a share of what may
        be in flight: a claim for every single answer would cost too much."""
        self.answered += 1
        if self.at_vendor * _SHARES <= self._in_flight * (_SHARES - 1):
            self.woken.set()

    def report(self, report: Report) -> None:
        """Note what became of a permit, for the next claim, where calls are logged."""
        if self._is_logged:
            self._reports.append(report)

    async def run(self) -> None:
        """Until nothing is left to do here."""
        while not self._process.stopping:
            self.woken.clear()
            self._lacks_calls = True
            block = Block((), decide.LONGEST_WAIT_SECONDS)
            try:
                block = await self._claim()
            except Unavailable as error:
                log.warning("lane.waiting", vendor=self.vendor, error=str(error))
            finally:
                self.claiming = 0
                if self._may_have_suspect and not any(call.is_suspect for call in block.calls):
                    self._process.suspects.release()
                self._may_have_suspect = False
            self._process.announce(block.calls)
            for call in block.calls:
                self._process.start(self, call)
            is_idle = not block.calls and self.is_done and not self.woken.is_set()
            if is_idle and block.pause_seconds >= decide.IDLE_SECONDS:
                return
            await self._wait(block)

    @property
    def is_done(self) -> bool:
        """Whether nothing is open, and nothing is to be noted."""
        return not (self.open or self._reports or self._in_doubt)

    async def _wait(self, block: Block) -> None:
        """At least a turn, so that calls which end together are followed by calls which start together."""
        await asyncio.sleep(decide.TURN_SECONDS)
        left = min(block.pause_seconds, decide.LONGEST_WAIT_SECONDS) - decide.TURN_SECONDS
        step = _REPORTS_SECONDS if block.to_report else left
        while left > 0 and not self.woken.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(step, left)):
                    await self.woken.wait()
            if self._reports and block.to_report:
                return
            left -= step

    async def _claim(self) -> Block:
        """Reports that arrive after the lock are left for the next claim. Calls of a commit whose answer was lost are
        returned by the next claim; no takeover would, since this fetcher is alive."""
        if self._process.free(self) <= 0 and not self._reports and not self._in_doubt:
            return Block((), decide.LONGEST_WAIT_SECONDS)
        async with self._process.database.transaction() as tx:
            row = await store.lock_budget(tx, self.vendor)
            self.clock.read(row["now_us"])
            await store.return_in_doubt(tx, self._in_doubt, self._process.fetcher_id)
            reports = tuple(self._reports)
            block = await self._lease(tx, row, reports)
            self._in_doubt += tuple(call.id for call in block.calls)
            doubtful = doubtful_of(reports)
            self._reports[: len(reports)] = doubtful
        self._in_doubt = ()
        del self._reports[: len(doubtful)]
        return block

    async def lease_another(self) -> Leased | Wait:
        """One more permit for a call that is open, or the wait before it is asked for again. What is open holds a place
        of those in flight, so it gets its next permit before what has not begun. Leased in the vendor's row as all are;
        what the claims have to report is left to them."""
        async with self._process.database.transaction() as tx:
            row = await store.lock_budget(tx, self.vendor)
            now, paused = row["now_us"], row["paused_seconds"]
            self.clock.read(now)
            if paused > 0:
                return Wait(min(paused, decide.LONGEST_WAIT_SECONDS))
            vendor = self._process.vendor_of(self.vendor, row)
            budget = vendor.budget if vendor else CAREFUL_BUDGET
            permits = record(budget, read_permits(row["permits"]), (), now)
            until = now + ahead_of(budget, FARTHEST_AHEAD)
            leased = lease(budget, permits, LeaseRequest(1, now + _COMMIT_US, until, row["pace"]))
            await store.update_permits(tx, self.vendor, write_permits(leased.permits))
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(leased.moments))
        return Leased(leased.moments[0]) if leased.moments else Wait(decide.LONGEST_WAIT_SECONDS)

    async def _lease(self, tx: Transaction, row: Row, reports: Sequence[Report]) -> Block:
        """Note what was reported, and claim what is due."""
        vendor, now, pace = self._process.vendor_of(self.vendor, row), row["now_us"], row["pace"]
        budget = vendor.budget if vendor else CAREFUL_BUDGET
        self.contract = bool(budget.windows)
        PAUSED_SECONDS.labels(vendor=vendor_label(self.vendor)).set(max(row["paused_seconds"], 0))
        PERMITTED_RATE.labels(vendor=vendor_label(self.vendor)).set(rate_of(budget, pace) or 0)
        permits = record(budget, read_permits(row["permits"]), reports, now)
        self._is_logged = self.contract or bool(permits.windows)
        most = self._in_flight = 1 if row["refused_credentials"] >= REFUSALS else budget.in_flight
        due, pause_seconds = await self._due(tx, vendor, most, row["paused_seconds"])
        until = now + ahead_of(budget, _AHEAD_US)
        leased = lease(budget, permits, LeaseRequest(len(due), now + _COMMIT_US * self.contract, until, pace))
        if self._is_logged and (leased.moments or reports):
            await store.update_permits(tx, self.vendor, write_permits(leased.permits))
        if not due:
            return Block((), pause_seconds, to_report=not self._lacks_calls)
        claimed = await store.claim_calls(tx, due[: len(leased.moments)], self._process.fetcher_id)
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(claimed))
        calls = in_order(claimed, due, leased.moments, vendor)
        if self.at_vendor + len(calls) >= most:
            return Block(calls, decide.LONGEST_WAIT_SECONDS, to_report=True)
        return Block(calls, decide.pause_seconds(leased.next_at, until, now, left=len(due) - len(calls)))

    async def _due(self, tx: Transaction, vendor: Vendor | None, most: int, paused: float) -> tuple[list[UUID], float]:
        """The calls that there is room for now; where there are none, the seconds after which a look is worth it."""
        standing = Standing(
            may_come=self._may_become_known(vendor),
            refused=self.refused > 0,
            paused_seconds=paused,
            free=self._process.free(self),
            at_vendor=self.at_vendor,
            most=most,
        )
        if wait := decide.wait_of(standing):
            return self._not_now(wait)
        elsewhere = await store.count_elsewhere(tx, self.vendor, self._process.fetcher_id)
        room = min(standing.free, most - elsewhere - self.at_vendor)
        self._crowded_seconds = decide.crowded_seconds(room, self._crowded_seconds)
        if room <= 0:
            return self._not_now(Wait(self._crowded_seconds))
        due = await store.find_due(tx, self.vendor, room, suspects=False)
        if not due and self._process.suspects.take():
            self._may_have_suspect = True
            due = await store.find_due(tx, self.vendor, 1)
        due = due[: self._process.free(self)]
        self.claiming = len(due)
        self._lacks_calls = len(due) < room
        return due, decide.IDLE_SECONDS

    def _not_now(self, wait: Wait) -> tuple[list[UUID], float]:
        """Until it is known that something else than calls is waited for, each new call wakes the lane: it may come
        between the look and its end."""
        self._lacks_calls = wait.heeds_calls
        return [], wait.seconds

    def _may_become_known(self, vendor: Vendor | None) -> bool:
        if vendor is not None or self.vendor.startswith(AD_HOC):
            self._unknown_since = None
            return False
        self._unknown_since = self._unknown_since or monotonic()
        return monotonic() - self._unknown_since < _CONFIGURATION_SECONDS
