"""Counts what waits for each vendor, for metrics. What takes long to count is counted less often."""

from services.planner.metrics import BACKLOG_CALLS, BACKLOG_SECONDS, TASKS_OUTSTANDING
from services.planner.release import store
from services.planner.release.decide import Backlog, drain_seconds
from services.planner.settings import Settings
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic

_PAUSE_SECONDS = 2.0
_PAUSE_TIMES = 50


class Watch:
    """One step of the loop. Of a vendor for which nothing waits any more it tells that."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._database = runtime.database
        self._seen: set[str] = set()

    async def step(self) -> float:
        """Count once; gives the seconds until the next time."""
        began = monotonic()
        async with self._database.transaction() as tx:
            found = await store.count_backlog(tx)
            vendors = await store.find_vendors(tx, sorted(found))
        for name in self._seen | found.keys():
            backlog = found.get(name, Backlog())
            TASKS_OUTSTANDING.labels(vendor=name).set(backlog.outstanding)
            BACKLOG_CALLS.labels(vendor=name).set(backlog.calls)
            BACKLOG_SECONDS.labels(vendor=name).set(drain_seconds(backlog, vendors.get(name)))
        self._seen = set(found)
        return max(_PAUSE_SECONDS, _PAUSE_TIMES * (monotonic() - began))
