"""One lane for each vendor that calls wait for: claims calls together with their permits, and starts each at its
moment. A lane that waits, for an answer, a permit or a pause, holds up nobody but itself.

The vendor's row in `budgets` is the authority: whoever has it locked counts what is open, leases the moments and
claims the calls, so the contract holds over all fetchers. Moments are on the database's clock; the lane knows how far
its own monotonic clock is from it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from services.fetcher.call import store
from services.fetcher.call.messages import changed
from services.fetcher.call.settle import Settlement
from services.fetcher.call.takeover import claimed_of
from services.fetcher.metrics import IN_FLIGHT, PAUSED_SECONDS, PERMITS, PERMITTED_RATE
from services.fetcher.model import Claimed, Later, Outcome, ad_hoc
from services.fetcher.permits.decide import SECOND, Wanted, lease, rate_of, slack_of
from services.fetcher.permits.state import read_windows, write_windows
from services.fetcher.settings import Settings
from shared.database.pool import Row
from shared.errors import Unavailable
from shared.events.tasks import FetchRequested, TaskState
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic, utc_now
from shared.specification.vendor import AD_HOC, CAREFUL_BUDGET, Vendor

Make = Callable[[Claimed], Awaitable[Outcome]]

_AHEAD_US = 300_000
_COMMIT_US = 10_000
"""The first moment lies this far ahead: until the claim is committed, a permit for now would be late already."""
_TURN_SECONDS = 0.004
_IDLE_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 1.0
_OFFSETS_KEPT = 32

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """What one claim brought: calls with their moments, and when it is worth looking again (seconds)."""

    calls: tuple[Claimed, ...]
    pause_seconds: float
    slack_us: int = 60 * SECOND
    in_flight: int = 1


class Offset:
    """How far the monotonic clock is from the database's. Of many readings the smallest is the truest: what makes
    one larger is only the way back from the database."""

    def __init__(self) -> None:
        self._readings: list[float] = []

    def read(self, now_us: int) -> None:
        """The database said that it was `now_us` when the statement ran."""
        self._readings = [*self._readings[-_OFFSETS_KEPT:], monotonic() - now_us / SECOND]

    def at(self, moment_us: int) -> float:
        """A moment on the monotonic clock."""
        return moment_us / SECOND + min(self._readings)


class Lane:
    """Calls towards one vendor."""

    def __init__(self, vendor: str, lanes: "Lanes") -> None:
        self.vendor = vendor
        self.open = 0
        self.woken = asyncio.Event()
        self._lanes = lanes
        self._offset = Offset()

    async def run(self) -> None:
        """Until nothing is left to do here."""
        while not self._lanes.stopping:
            self.woken.clear()
            free = self._lanes.free(self)
            try:
                block = await self._claim(free) if free > 0 else Block((), _LONGEST_WAIT_SECONDS)
            except Unavailable as error:
                log.warning("lane.waiting", vendor=self.vendor, error=str(error))
                block = Block((), _LONGEST_WAIT_SECONDS)
            self._lanes.announce(block.calls)
            for call in block.calls:
                self._lanes.start(self, call, self._offset.at(call.moment), block.slack_us / SECOND)
            if not block.calls and not self.open and block.pause_seconds >= _IDLE_SECONDS:
                return
            await self._wait(block.pause_seconds)

    async def _wait(self, seconds: float) -> None:
        """At least a turn, so that calls which end together are followed by calls which start together."""
        await asyncio.sleep(_TURN_SECONDS)
        try:
            async with asyncio.timeout(max(0.0, min(seconds, _LONGEST_WAIT_SECONDS) - _TURN_SECONDS)):
                await self.woken.wait()
        except TimeoutError:
            pass

    async def _claim(self, free: int) -> Block:
        async with self._lanes.database.transaction() as tx:
            budget_row = await store.lock_budget(tx, self.vendor)
            self._offset.read(budget_row["now_us"])
            vendor = self._lanes.vendor_of(self.vendor, budget_row)
            paused: float = budget_row["paused_seconds"]
            PAUSED_SECONDS.labels(vendor=self.vendor).set(max(paused, 0))
            if vendor is None and not self.vendor.startswith(AD_HOC):
                return Block((), _IDLE_SECONDS / 2)
            if paused > 0:
                return Block((), paused if paused < _IDLE_SECONDS else _IDLE_SECONDS / 2)
            budget = vendor.budget if vendor else CAREFUL_BUDGET
            PERMITTED_RATE.labels(vendor=self.vendor).set(rate_of(budget, budget_row["pace"]) or 0)
            room = min(free, budget.in_flight - await store.count_running(tx, self.vendor))
            due = await store.find_due(tx, self.vendor, room) if room > 0 else []
            if not due:
                return Block((), _IDLE_SECONDS if room > 0 else _TURN_SECONDS * 4, in_flight=budget.in_flight)
            now: int = budget_row["now_us"]
            wanted = Wanted(len(due), now + _COMMIT_US * bool(budget.windows), now + _AHEAD_US, budget_row["pace"])
            leased = lease(budget, read_windows(budget_row["permits"]), wanted)
            if budget.windows and leased.moments:
                await store.update_permits(tx, self.vendor, write_windows(leased.windows))
            rows = await store.claim_calls(tx, due[: len(leased.moments)], self._lanes.fetcher_id)
        PERMITS.labels(vendor=self.vendor, fate="leased").inc(len(rows))
        calls = _in_order(rows, due, leased.moments, vendor)
        return Block(calls, self._pause(leased.next_at, now, len(due) - len(calls)), slack_of(budget), budget.in_flight)

    def _pause(self, next_at: int | None, now: int, left: int) -> float:
        """More may be due at once; or not before the next moment comes near."""
        if not left or next_at is None:
            return _TURN_SECONDS
        return max(_TURN_SECONDS, (next_at - now) / SECOND - _AHEAD_US / SECOND / 2)


def _in_order(rows: list[Row], due: list[UUID], moments: tuple[int, ...], vendor: Vendor | None) -> tuple[Claimed, ...]:
    by_id = {row["id"]: row for row in rows}
    calls = []
    for call_id, moment in zip(due, moments, strict=False):
        call = replace(claimed_of(by_id[call_id]), moment=moment)
        calls.append(replace(call, vendor=vendor or _ad_hoc(call.request)))
    return tuple(calls)


def _ad_hoc(request: FetchRequested) -> Vendor | None:
    return ad_hoc(request.vendor, request.base_url) if request.base_url else None


class Lanes:
    """All lanes of a process: the worker that makes calls."""

    name = "lanes"

    def __init__(self, runtime: Runtime[Settings], settlement: Settlement, fetcher_id: UUID, make: Make) -> None:
        self.database = runtime.database
        self.fetcher_id = fetcher_id
        self.stopping = False
        self._settings = runtime.settings
        self._producer = runtime.producer
        self._settlement = settlement
        self._make = make
        self._lanes: dict[str, Lane] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._vendors: dict[str, tuple[Any, Vendor]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """New calls were written down, or calls wait again."""
        self._woken.set()
        for lane in self._lanes.values():
            lane.woken.set()

    def stop(self) -> None:
        """Claim no more; what is open ends first."""
        self.stopping = True
        self.wake()

    async def run(self) -> None:
        """Keep a lane for each vendor that calls wait for."""
        while not self.stopping:
            self._woken.clear()
            try:
                async with self.database.transaction() as tx:
                    busy = await store.find_busy_vendors(tx)
            except Unavailable as error:
                log.warning("lanes.waiting", error=str(error))
                busy = []
            for vendor in busy:
                self._open_lane(vendor)
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._settlement.drain(within_seconds=10)

    def free(self, lane: Lane) -> int:
        """How many more calls a lane may open in this process."""
        mine = int(self._settings.fetcher_calls * self._settings.fetcher_vendor_share) - lane.open
        return max(0, min(mine, self._settings.fetcher_calls - sum(each.open for each in self._lanes.values())))

    def vendor_of(self, name: str, row: Row) -> Vendor | None:
        """The vendor as it is configured now, parsed once for each version."""
        if row["document"] is None:
            return None
        version, known = self._vendors.get(name, (None, None))
        if known is None or version != row["updated_at"]:
            known = Vendor.model_validate_json(row["document"])
            self._vendors[name] = (row["updated_at"], known)
        return known

    def announce(self, calls: Sequence[Claimed]) -> None:
        """Tell that these are about to be made. Nothing waits for it: their outcomes follow in the same partitions. A
        task that waits goes on waiting while its vendor is asked."""
        begun = [call for call in calls if call.request.purpose not in ("status", "abort")]
        if begun:
            now = utc_now()
            task = asyncio.create_task(self._announce([changed(call, TaskState.STARTED, now) for call in begun]))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _announce(self, messages: Sequence[Outgoing]) -> None:
        try:
            await self._producer.send(messages)
        except Unavailable as error:
            log.warning("started.not_told", count=len(messages), error=str(error))

    def start(self, lane: Lane, call: Claimed, starts_at: float, slack_seconds: float) -> None:
        """Make a call at its moment, without waiting for it."""
        lane.open += 1
        IN_FLIGHT.labels(vendor=lane.vendor).set(lane.open)
        task = asyncio.create_task(self._run_call(lane, call, starts_at, slack_seconds))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _run_call(self, lane: Lane, call: Claimed, starts_at: float, slack_seconds: float) -> None:
        early = starts_at - monotonic()
        if early > 0:
            await asyncio.sleep(early)
        if monotonic() - starts_at > slack_seconds:
            PERMITS.labels(vendor=lane.vendor, fate="expired").inc()
            outcome: Outcome = Later(call, utc_now(), call.attempt)
        else:
            outcome = await self._make(call)

        def settled() -> None:
            lane.open -= 1
            IN_FLIGHT.labels(vendor=lane.vendor).set(lane.open)
            lane.woken.set()

        self._settlement.add(outcome, settled)

    def _open_lane(self, vendor: str) -> None:
        running = self._running.get(vendor)
        if running is None or running.done():
            lane = self._lanes.setdefault(vendor, Lane(vendor, self))
            self._running[vendor] = asyncio.create_task(lane.run(), name=f"lane {vendor}")
