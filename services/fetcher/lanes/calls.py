"""The calls that a process has open: each is made at its moment, and its outcome written down."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from services.fetcher.call.messages import Change, changed
from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.lanes.load import LaneLoad
from services.fetcher.lanes.mark import Marks
from services.fetcher.lanes.permit import Permit
from services.fetcher.metrics import REQUEST_SECONDS, REQUESTS
from services.fetcher.model import Claimed, Later, Leave, Outcome
from services.fetcher.settle.settle import Settlement
from shared.errors import Unavailable
from shared.events.tasks import TaskState
from shared.messaging.dead_letter import describe_defect
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger, task_ids
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic, utc_now

Make = Callable[[Claimed, Leave], Awaitable[Outcome]]
"""Makes a call under its permit, and says when it left."""

_ANNOUNCE_SECONDS = 5.0
_MARK_SECONDS = 0.02
"""A call that is to be marked is marked so long before its moment."""

log = get_logger(__name__)


class Calls:
    """The calls of all lanes of a process, from their claim until their outcome is handed over."""

    def __init__(self, make: Make, marks: Marks, settlement: Settlement, producer: Producer) -> None:
        self._make = make
        self._marks = marks
        self._settlement = settlement
        self._producer = producer
        self._running: set[asyncio.Task[None]] = set()

    def announce(self, calls: Sequence[Claimed]) -> None:
        """Announce that these are about to be made. Nothing waits for it: their outcomes follow in the same partitions.
        A task that waits goes on waiting while its vendor is asked."""
        begun = [call for call in calls if call.request.purpose not in ("status", "abort")]
        if begun:
            now = utc_now()
            task = asyncio.create_task(
                self._announce([changed(call, Change(TaskState.STARTED), now) for call in begun])
            )
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _announce(self, messages: Sequence[Outgoing]) -> None:
        try:
            await self._producer.send(messages, within_seconds=_ANNOUNCE_SECONDS)
        except Unavailable as error:
            log.warning("started.not_announced", count=len(messages), error=str(error))

    def start(self, call: Claimed, permit: Permit, load: LaneLoad) -> None:
        """Make a call at its moment, without waiting for it; its lane's `load` counts it."""
        task = asyncio.create_task(self._run_call(call, permit, load))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Waits until all are over that have begun."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run_call(self, call: Claimed, permit: Permit, load: LaneLoad) -> None:
        outcome: Outcome = Later(call, utc_now(), call.attempt, may_have_left=call.may_have_left)
        if await self._may_leave(permit, call):
            outcome = await self._try(call, permit)
        permit.close()
        _count(outcome)
        load.ended(outcome)
        self._settlement.add(outcome, partial(load.settled, call))

    async def _try(self, call: Claimed, permit: Permit) -> Outcome:
        """A defect in making a call ends that call, and gives its slot to others."""
        began_at, began = utc_now(), monotonic()
        try:
            return await self._make(call, permit)
        except Exception as error:
            log.exception("call.failed", **task_ids(call.request))
            unknown = permit.is_used or call.may_have_left
            tried = Tried(began_at, monotonic() - began)
            return give_up(call, f"bug: {describe_defect(error)}", tried, utc_now(), unknown=unknown)

    async def _may_leave(self, permit: Permit, call: Claimed) -> bool:
        """Waits for the call's moment. Nothing that must not be repeated leaves without its mark."""
        if not call.repeatable:
            await asyncio.sleep(max(0.0, permit.seconds_left - _MARK_SECONDS))
            if not await permit.mark(self._marks):
                return False
        await asyncio.sleep(max(0.0, permit.seconds_left))
        return permit.is_good


def _count(outcome: Outcome) -> None:
    request, attempt = outcome.call.request, outcome.attempt
    if attempt is None:
        return
    REQUESTS.labels(vendor=vendor_label(request.vendor), verdict=attempt.verdict).inc()
    REQUEST_SECONDS.labels(vendor=vendor_label(request.vendor)).observe(attempt.seconds)
    if attempt.verdict == "give_up":
        log.warning("call.given_up", **task_ids(request), purpose=request.purpose, reason=attempt.reason)
