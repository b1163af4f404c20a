"""All lanes of a process: the worker that makes calls."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from services.fetcher.lanes import store
from services.fetcher.lanes.calls import Calls, Make
from services.fetcher.lanes.decide import IDLE_SECONDS
from services.fetcher.lanes.lane import Lane
from services.fetcher.lanes.mark import Marks
from services.fetcher.lanes.places import PlaceRules, Places
from services.fetcher.model import Claimed
from services.fetcher.rows import show_life
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Row
from shared.errors import Unavailable
from shared.messaging.latest import read_latest
from shared.observability.logs import get_logger
from shared.runtime.app import Runtime
from shared.specification.vendor import Vendor

_MOST_CLAIMS = 8
"""More claims at a time are not faster."""
_OTHER_CONNECTIONS = 2
"""Connections that no claim takes: what calls have brought is written down by them, and new calls are."""

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
        self.database = runtime.database
        self.fetcher_id = fetcher_id
        self.stopping = False
        rules = PlaceRules(runtime.settings.fetcher_calls, runtime.settings.fetcher_vendor_share)
        self.places = Places(rules, self._look, is_shut=self._opens_none)
        self.claims = asyncio.Semaphore(_most_claims(runtime.settings.database_connections))
        self._settlement = settlement
        self._cannot_store = cannot_store
        self._calls = Calls(make, Marks(runtime.database, fetcher_id), settlement, runtime.producer)
        self._lanes: dict[str, Lane] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._vendors: dict[str, tuple[Any, Vendor | None]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """New calls were written down, or calls wait again: lanes look whose vendors have calls that are due."""
        self._woken.set()

    def wake_all(self) -> None:
        """What lanes wait for may have changed: a contract, the end of a pause."""
        self._woken.set()
        for lane in self._lanes.values():
            lane.woken.set()

    def stop(self) -> None:
        """Claim no more; what is open ends first."""
        self.stopping = True
        self.wake_all()

    async def run(self) -> None:
        """Until told to stop and all calls are over. When the time for that is over first, what was answered is told
        all the same."""
        try:
            await self._keep_lanes()
        finally:
            await self._settlement.drain(within_seconds=10)

    async def _keep_lanes(self) -> None:
        """Keep a lane for each vendor with calls that are due. Life is shown before the first claim: whoever has calls
        and was never heard of counts as gone."""
        is_known = False
        while not self.stopping:
            self._woken.clear()
            try:
                if not is_known:
                    await show_life(self.database, self.fetcher_id)
                    is_known = True
                async with self.database.transaction() as tx:
                    busy = await store.find_busy_vendors(tx)
            except Unavailable as error:
                log.warning("lanes.waiting", error=str(error))
                busy = []
            self._forget_lanes()
            self.places.line_up([vendor for vendor in busy if not self._wake(vendor)])
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
        with suppress(Unavailable):
            await store.stop_fetcher(self.database, self.fetcher_id)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._calls.end()

    def _opens_none(self) -> bool:
        """Whether no call is to be opened here: what comes of it could not be stored or told, and other fetchers
        perhaps can."""
        return self.stopping or self._settlement.is_behind or self._cannot_store()

    def vendor_of(self, name: str, row: Row) -> Vendor | None:
        """The vendor as it is configured now, read once for each version."""
        if row["document"] is None:
            return None
        version, known = self._vendors.get(name, (None, None))
        if version != row["updated_at"]:
            known = read_latest(Vendor, name, row["document"])
            self._vendors[name] = (row["updated_at"], known)
        return known

    def announce(self, calls: Sequence[Claimed]) -> None:
        """Tell that these are about to be made."""
        self._calls.announce(calls)

    def start(self, lane: Lane, call: Claimed) -> None:
        """Make a call at its moment, without waiting for it."""
        self._calls.start(lane, call)

    def _forget_lanes(self) -> None:
        """Of those that have ended nothing is kept: jobs may name any number of hosts."""
        for vendor, running in list(self._running.items()):
            if running.done() and self._lanes[vendor].is_done:
                del self._running[vendor], self._lanes[vendor]
                self._vendors.pop(vendor, None)

    def _lane_at_work(self, vendor: str) -> Lane | None:
        running = self._running.get(vendor)
        return None if running is None or running.done() else self._lanes[vendor]

    def _wake(self, vendor: str) -> bool:
        """Whether the vendor has a lane; it looks for calls if it lacks some."""
        if lane := self._lane_at_work(vendor):
            lane.wake()
        return lane is not None

    def _look(self, vendor: str) -> None:
        """Have the vendor's lane look for calls. If it has to be opened, it has a place for the first of them."""
        if lane := self._lane_at_work(vendor):
            lane.woken.set()
            return
        lane = self._lanes.setdefault(vendor, Lane(vendor, self))
        lane.load.claim(1)
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
