"""Counts what waits for each vendor, for metrics. What takes long to count is counted less often."""

from collections import Counter

from services.planner.metrics import BACKLOG_CALLS, BACKLOG_SECONDS, TASKS_OUTSTANDING
from services.planner.release import store
from services.planner.release.decide import drain_seconds
from services.planner.settings import Settings
from shared.observability.metrics import vendor_label
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic

_PAUSE_SECONDS = 2.0
_PAUSE_TIMES = 50


class Watch:
    """One step of the loop. A vendor for which nothing waits any more is set to zero once."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._database = runtime.database
        self._seen: set[str] = set()

    async def step(self) -> float:
        """Count once; gives the seconds until the next time."""
        began = monotonic()
        async with self._database.transaction() as tx:
            found = await store.count_backlog(tx)
            vendors = await store.find_vendors(tx, sorted(found))
        outstanding, calls, seconds = Counter[str](), Counter[str](), dict[str, float]()
        for name, backlog in found.items():
            label = vendor_label(name)
            outstanding[label] += backlog.outstanding
            calls[label] += backlog.calls
            seconds[label] = max(seconds.get(label, 0.0), drain_seconds(backlog, vendors.get(name)))
        for label in self._seen | seconds.keys():
            TASKS_OUTSTANDING.labels(vendor=label).set(outstanding[label])
            BACKLOG_CALLS.labels(vendor=label).set(calls[label])
            BACKLOG_SECONDS.labels(vendor=label).set(seconds.get(label, 0.0))
        self._seen = set(seconds)
        return max(_PAUSE_SECONDS, _PAUSE_TIMES * (monotonic() - began))
