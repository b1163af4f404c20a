"""All lanes of a process: the worker that makes calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from services.fetcher.call.messages import Change, changed
from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.lanes import store
from services.fetcher.lanes.decide import IDLE_SECONDS
from services.fetcher.lanes.lane import Lane
from services.fetcher.lanes.mark import Marks
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.places import Places, Suspects
from services.fetcher.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS
from services.fetcher.model import Claimed, Ended, Later, Leave, Outcome
from services.fetcher.rows import touch_fetcher
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Row
from shared.errors import Unavailable
from shared.events.tasks import TaskState
from shared.messaging.dead_letter import describe_defect
from shared.messaging.handler import Outgoing
from shared.messaging.latest import read_latest
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic, utc_now
from shared.specification.vendor import Vendor

Make = Callable[[Claimed, Leave], Awaitable[Outcome]]
"""Makes a call under its permit, and says when it left."""

_MARK_SECONDS = 0.02
"""A call that is to be marked is marked so long before its moment."""

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
        self.suspects = Suspects()
        self._places = Places(runtime.settings.fetcher_calls, runtime.settings.fetcher_vendor_share)
        self._producer = runtime.producer
        self._settlement = settlement
        self._make = make
        self._cannot_store = cannot_store
        self._marks = Marks(runtime.database, fetcher_id)
        self._lanes: dict[str, Lane] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
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
                    await touch_fetcher(self.database, self.fetcher_id)
                    is_known = True
                async with self.database.transaction() as tx:
                    busy = await store.find_busy_vendors(tx)
            except Unavailable as error:
                log.warning("lanes.waiting", error=str(error))
                busy = []
            self._forget_lanes()
            for vendor in busy:
                self._open_lane(vendor)
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue
        with suppress(Unavailable):
            await store.stop_fetcher(self.database, self.fetcher_id)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await asyncio.gather(*self._calls, return_exceptions=True)

    def free(self, lane: Lane) -> int:
        """How many more calls a lane may open in this process: none while it could not store or tell what comes of
        them, and other fetchers perhaps can."""
        if self._settlement.is_behind or self._cannot_store():
            return 0
        taken = sum(each.open + each.claiming for each in self._lanes.values())
        return self._places.free(open=lane.open, taken=taken)

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
        """Tell that these are about to be made. Nothing waits for it: their outcomes follow in the same partitions. A
        task that waits goes on waiting while its vendor is asked."""
        begun = [call for call in calls if call.request.purpose not in ("status", "abort")]
        if begun:
            now = utc_now()
            task = asyncio.create_task(
                self._announce([changed(call, Change(TaskState.STARTED), now) for call in begun])
            )
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _announce(self, messages: Sequence[Outgoing]) -> None:
        try:
            await self._producer.send(messages)
        except Unavailable as error:
            log.warning("started.not_told", count=len(messages), error=str(error))

    def start(self, lane: Lane, call: Claimed) -> None:
        """Make a call at its moment, without waiting for it."""
        lane.open += 1
        IN_FLIGHT.labels(vendor=vendor_label(lane.vendor)).inc()
        task = asyncio.create_task(self._run_call(lane, call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _run_call(self, lane: Lane, call: Claimed) -> None:
        permit = Permit(lane, call)
        outcome: Outcome = Later(call, utc_now(), call.attempt, may_have_left=call.may_have_left)
        if await self._may_leave(permit, call):
            outcome = await self._try(call, permit)
        permit.close()
        _count(outcome)
        is_refused = _wants_rest(outcome)
        lane.refused += is_refused
        has_room = isinstance(outcome, Ended) and outcome.succeeded and not lane.refused
        if has_room:
            lane.was_answered()
            IN_FLIGHT.labels(vendor=vendor_label(lane.vendor)).dec()

        def settled() -> None:
            lane.open -= 1
            lane.refused -= is_refused
            if call.is_suspect:
                self.suspects.release()
            if has_room:
                lane.answered -= 1
            else:
                IN_FLIGHT.labels(vendor=vendor_label(lane.vendor)).dec()
            lane.woken.set()

        self._settlement.add(outcome, settled)

    async def _try(self, call: Claimed, permit: Permit) -> Outcome:
        """A defect in making a call ends that call, and gives its place to others."""
        began_at, began = utc_now(), monotonic()
        try:
            return await self._make(call, permit)
        except Exception as error:
            log.exception("call.failed", task_id=str(call.request.task_id), job_id=str(call.request.job_id))
            unknown = permit.is_used or call.may_have_left
            tried = Tried(began_at, monotonic() - began)
            return give_up(call, f"bug: {describe_defect(error)}", tried, utc_now(), unknown=unknown)

    async def _may_leave(self, permit: Permit, call: Claimed) -> bool:
        """Waits for the call's moment. Nothing that must not be repeated leaves without its mark."""
        if not call.repeatable:
            await asyncio.sleep(max(0.0, permit.seconds_left - _MARK_SECONDS))
            if not await self._marks.mark(call):
                return False
        await asyncio.sleep(max(0.0, permit.seconds_left))
        return permit.is_good

    def _forget_lanes(self) -> None:
        """Of those that have ended nothing is kept: jobs may name any number of hosts."""
        for vendor, running in list(self._running.items()):
            if running.done() and self._lanes[vendor].is_done:
                del self._running[vendor], self._lanes[vendor]
                self._vendors.pop(vendor, None)

    def _open_lane(self, vendor: str) -> None:
        running = self._running.get(vendor)
        if running is None or running.done():
            lane = self._lanes.setdefault(vendor, Lane(vendor, self))
            self._running[vendor] = asyncio.create_task(_run(lane), name=f"lane {vendor}")
        else:
            self._lanes[vendor].wake()


def _count(outcome: Outcome) -> None:
    request, attempt = outcome.call.request, outcome.attempt
    if attempt is None:
        return
    REQUESTS.labels(vendor=vendor_label(request.vendor), verdict=attempt.verdict).inc()
    REQUEST_SECONDS.labels(vendor=vendor_label(request.vendor)).observe(attempt.seconds)
    if attempt.verdict == "give_up":
        place = {"task_id": str(request.task_id), "job_id": str(request.job_id)}
        log.warning("call.given_up", **place, purpose=request.purpose, reason=attempt.reason)


async def _run(lane: Lane) -> None:
    """A defect ends a lane for now: it is opened again while calls wait."""
    try:
        await lane.run()
    except Exception:
        log.exception("lane.failed", vendor=lane.vendor)


def _wants_rest(outcome: Outcome) -> bool:
    """Whether its vendor is to be left alone, which is written down before anything else leaves."""
    if isinstance(outcome, Later):
        return outcome.limited
    return outcome.credential_refused or outcome.spent_until is not None
