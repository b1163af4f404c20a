"""Releases planned tasks. Woken by accepted jobs and by tasks that end, so that fetchers never run dry.

Tasks are marked released after the broker acknowledged them, in the transaction that chose them; the event's id is
derived from task and round, so a crash in between repeats a message that the fetcher drops. Before a submit goes out,
the gateway is asked to expect its callback and the scheduler to set its deadline, each acknowledged by the broker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from services.planner.metrics import TASKS_RELEASED
from services.planner.release import store
from services.planner.release.decide import ReleaseQuota, Turn, VendorLoad, release_quota
from services.planner.release.messages import release
from services.planner.rows import fail_unreadable
from services.planner.settings import Settings
from shared.messaging.handler import Outgoing
from shared.observability.metrics import vendor_label
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.2
_SEND_SECONDS = 5.0


class Release:
    """One step of the release loop. It remembers which job it served last, for the others are next; a planner that
    starts begins with any."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._served: dict[Turn, UUID] = {}
        self._was_heard = True
        """Whether the broker took what was sent last. While it does not, one task of each vendor shows when it does
        again: the others stay free for a planner that reaches it."""

    async def step(self) -> float:
        """Release what the quota of each vendor allows; gives the seconds until the next look."""
        async with self._runtime.database.transaction() as tx:
            loads = await store.find_loads(tx, self._runtime.settings.planner_unprocessed)
            if not loads:
                return _IDLE_SECONDS
            busy = [load.vendor for load in loads]
            quotas = self._quotas(loads, await store.find_vendors(tx, busy))
            self._served = {turn: job_id for turn, job_id in self._served.items() if turn[0] in busy}
            rows = await store.claim_window(tx, quotas, self._served)
            if not rows:
                return _BUSY_SECONDS
            specifications, unreadable = await store.find_specifications(tx, sorted({row["job_id"] for row in rows}))
            now = utc_now()
            if unreadable:
                await self._send(await fail_unreadable(tx, unreadable, now))
                rows = [row for row in rows if row["job_id"] in specifications]
            released = [release(row, specifications[row["job_id"]], now) for row in rows]
            await self._send([message for one in released for message in one.before])
            await self._send([message for one in released for message in one.messages])
            await store.mark_released(tx, {one.task_id: one.deadline_at for one in released})
        for row, one in zip(rows, released, strict=True):
            TASKS_RELEASED.labels(vendor=vendor_label(row["vendor"])).inc(one.goes_out)
            self._served[row["vendor"], row["priority"]] = row["job_id"]
        return 0.0

    def _quotas(self, loads: Sequence[VendorLoad], vendors: Mapping[str, Vendor]) -> dict[str, ReleaseQuota]:
        """How much of each vendor may go out; a vendor of which nothing may is not there."""
        settings = self._runtime.settings
        seconds, unprocessed_most = settings.planner_window_seconds, settings.planner_unprocessed
        found = [(one.vendor, release_quota(one, vendors.get(one.vendor), seconds, unprocessed_most)) for one in loads]
        quotas = {vendor: quota for vendor, quota in found if quota.free}
        return quotas if self._was_heard else {vendor: replace(one, free=1) for vendor, one in quotas.items()}

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        """Within a few seconds: rows are locked meanwhile."""
        self._was_heard = False
        await self._runtime.producer.send(messages, within_seconds=_SEND_SECONDS)
        self._was_heard = True
