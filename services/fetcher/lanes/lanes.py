"""All lanes of a process: the worker that makes calls."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from services.fetcher.lanes import store
from services.fetcher.lanes.calls import Calls, Make
from services.fetcher.lanes.decide import IDLE_SECONDS
from services.fetcher.lanes.lane import Lane
from services.fetcher.lanes.mark import Marks
from services.fetcher.lanes.resources import Resources
from services.fetcher.lanes.slots import CallSlots, SlotRules
from services.fetcher.metrics import show_pauses
from services.fetcher.rows import show_life
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Transaction
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic

_MOST_CLAIMS = 8
"""More claims at a time are not faster."""
_OTHER_CONNECTIONS = 2
"""Connections that no claim takes. They write down what calls have brought, and new calls."""
_PAUSES_SECONDS = 1.0

log = get_logger(__name__)


class Lanes:
    """All lanes of a process: the worker that makes calls."""

    name = "lanes"

    def __init__(
        self,
        runtime: Runtime[Settings],
        settlement: Settlement,
        fetcher_id: UUID,
        make: Make,
        *,
        cannot_store: Callable[[], bool] = lambda: False,
    ) -> None:
        """`cannot_store`: whether the payload store takes no answers from here."""
        settings = runtime.settings
        self.stopping = False
        rules = SlotRules(settings.fetcher_calls, settings.fetcher_vendor_share)
        self._slots = CallSlots(rules, self._give_slot, is_shut=self._opens_none)
        claims = asyncio.Semaphore(_most_claims(settings.database_connections))
        self._resources = Resources(runtime.database, fetcher_id, self._slots, claims)
        self._settlement = settlement
        self._cannot_store = cannot_store
        marks = Marks(runtime.database, fetcher_id, settings.fetcher_lease_seconds)
        self._calls = Calls(make, marks, settlement, runtime.producer)
        self.open_lanes: dict[str, Lane] = {}
        """By vendor; each until it has ended and nothing of it is open."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._show_pauses_at = 0.0

    def wake(self) -> None:
        """New calls were written down, or calls wait again: lanes look whose vendors have calls that are due."""
        self._woken.set()

    def wake_all(self) -> None:
        """What lanes wait for may have changed: a contract, the end of a pause."""
        self._woken.set()
        for lane in self.open_lanes.values():
            lane.look()

    def stop(self) -> None:
        """Claim no more; what is open ends first."""
        self.stopping = True
        self._woken.set()
        for lane in self.open_lanes.values():
            lane.stop()

    async def run(self) -> None:
        """Until a stop is requested and all calls are over. If the time for that is over first, what was answered is
        reported all the same."""
        try:
            await self._keep_lanes()
        finally:
            await self._settlement.drain(within_seconds=10)

    async def _keep_lanes(self) -> None:
        """Keep a lane for each vendor with calls that are due. Life is shown before the first claim: a fetcher that has
        calls and never showed life counts as gone."""
        database, fetcher_id = self._resources.database, self._resources.fetcher_id
        is_known = False
        while not self.stopping:
            self._woken.clear()
            try:
                if not is_known:
                    await show_life(database, fetcher_id)
                    is_known = True
                async with database.transaction() as tx:
                    busy = await store.find_busy_vendors(tx, suspects=self._slots.suspects.is_free)
                    await self._show_pauses(tx)
            except Unavailable as error:
                log.warning("lanes.waiting", error=str(error))
            else:
                self._forget_lanes()
                self._line_up([vendor for vendor, paused in busy.items() if paused < IDLE_SECONDS])
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
        with suppress(Unavailable):
            await store.stop_fetcher(database, fetcher_id)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._calls.end()

    async def _show_pauses(self, tx: Transaction) -> None:
        """Once in a second, however often lanes are kept."""
        if monotonic() >= self._show_pauses_at:
            show_pauses(await store.find_pauses(tx))
            self._show_pauses_at = monotonic() + _PAUSES_SECONDS

    def _opens_none(self) -> bool:
        """Whether no call is to be opened here: its outcome could not be stored or reported, and perhaps other fetchers
        can."""
        return self.stopping or self._settlement.is_behind or self._cannot_store()

    def _forget_lanes(self) -> None:
        """Keep nothing of lanes that have ended: jobs may name any number of hosts."""
        for vendor, running in list(self._running.items()):
            if running.done() and self.open_lanes[vendor].is_done:
                del self._running[vendor], self.open_lanes[vendor]
                self._resources.vendors.forget(vendor)

    def _lane_at_work(self, vendor: str) -> Lane | None:
        running = self._running.get(vendor)
        return None if running is None or running.done() else self.open_lanes[vendor]

    def _wake(self, vendor: str) -> bool:
        """Whether the vendor has a lane; it looks for calls if it lacks some."""
        if lane := self._lane_at_work(vendor):
            lane.wake()
        return lane is not None

    def _line_up(self, busy: Sequence[str]) -> None:
        """These vendors have calls that are due, or are when their pause ends before the next pass: those with no lane
        wait for a slot."""
        self._slots.forget_others(frozenset(busy))
        for vendor in busy:
            if not self._wake(vendor):
                self._slots.wait(vendor)
        self._slots.offer()

    def _give_slot(self, vendor: str) -> None:
        """The vendor's lane has a slot for one more call, and looks for calls. If there is no lane, it is opened."""
        at_work = self._lane_at_work(vendor)
        lane = at_work or self.open_lanes.setdefault(vendor, Lane(vendor, self._resources, self._calls))
        lane.load.reserve(lane.load.reserved + 1)
        if at_work:
            lane.look()
        else:
            self._running[vendor] = asyncio.create_task(_run(lane), name=f"lane {vendor}")


def _most_claims(connections: int) -> int:
    """How many lanes claim calls at a time: however many vendors there are, others find a connection, too."""
    return max(1, min(connections - _OTHER_CONNECTIONS, _MOST_CLAIMS))


async def _run(lane: Lane) -> None:
    """A defect ends a lane for now: it is opened again while calls wait."""
    try:
        await lane.run()
    except Exception:
        log.exception("lane.failed", vendor=lane.vendor)
