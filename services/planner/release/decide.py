"""How many tasks of a vendor may be out at once, and how long all that wait will take. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from shared.specification.vendor import CAREFUL_BUDGET, Budget, Vendor

_LEAST_SHARE = 4
_MOST_OUTSTANDING = 2000
_IN_FLIGHT_TIMES = 6
_RETRYING_TIMES = 2
_FULL_JOBS = 4
"""So many full jobs stop their vendor. A job that is stuck is one job's fault; what many are stuck with is common to
them: a vendor that fails whatever it is asked shall not be sent its whole backlog, and a processor that is behind must
not be buried under a thousand small jobs. There is no such limit over all vendors: none shall wait for another, and
what waits to be processed is in Kafka and in the payload store, not in anybody's memory."""


Turn = tuple[str, int]
"""A vendor and a priority; the vendor's jobs of that priority take turns."""


@dataclass(frozen=True, slots=True)
class VendorLoad:
    """A vendor with planned tasks: calls that are released and have not been made, those of each job that wait to be
    tried again, and pages that wait to be processed, of each job at most its own limit; jobs above it are `heaped`."""

    vendor: str
    outstanding: int
    retrying: Mapping[UUID, int] = field(default_factory=dict)
    unprocessed: int = 0
    heaped: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseQuota:
    """How many more calls of a vendor may be released, and the jobs that are `full`: none of theirs are."""

    free: int
    full: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """Calls that have not been made: planned ones, and those that are released."""

    planned: int = 0
    outstanding: int = 0

    @property
    def calls(self) -> int:
        """All of them."""
        return self.planned + self.outstanding


def drain_seconds(backlog: Backlog, vendor: Vendor | None) -> float:
    """How long the calls that wait take at the contract, by its tightest window; 0 where nothing is agreed."""
    budget = vendor.budget if vendor else CAREFUL_BUDGET
    return max((backlog.calls * window.per.total_seconds() / window.requests for window in budget.windows), default=0.0)


def target(budget: Budget, window_seconds: float) -> int:
    """Tasks that should be out: what the contract can use in `window_seconds`, and enough to fill what is in flight."""
    rates = [window.requests / window.per.total_seconds() for window in budget.windows if not window.is_quota]
    filled = budget.in_flight * _IN_FLIGHT_TIMES
    wanted = min(filled, *(int(rate * window_seconds) for rate in rates)) if rates else filled
    return max(1, min(wanted, _MOST_OUTSTANDING))


def release_quota(
    load: VendorLoad, vendor: Vendor | None, window_seconds: float, unprocessed_most: int
) -> ReleaseQuota:
    """What may be released now; small gaps wait until they are worth a batch.

    A call that waits to be tried again takes none of the window. It sleeps for seconds to minutes, and a hundred such
    calls of one job would leave nothing to other jobs meanwhile. But a job with two windows of them is full, since its
    other calls would most likely fail, too: it goes on as they end, at the pace of its attempts. So a vendor that fails
    at every call holds a few windows of each of a few jobs, however much is planned.
    """
    wanted = target(vendor.budget if vendor else CAREFUL_BUDGET, window_seconds)
    most = wanted * _RETRYING_TIMES
    full = (*load.heaped, *(job_id for job_id, count in load.retrying.items() if count >= most))
    retrying = sum(min(count, most) for count in load.retrying.values())
    if retrying >= _FULL_JOBS * most or load.unprocessed >= _FULL_JOBS * unprocessed_most:
        return ReleaseQuota(0, full)
    free = wanted - load.outstanding
    return ReleaseQuota(free if free > 0 and free >= wanted // _LEAST_SHARE else 0, full)
