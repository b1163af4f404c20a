"""How many tasks of a vendor may be out at once, and how long all that wait will take. Pure."""

from dataclasses import dataclass
from uuid import UUID

from shared.specification.vendor import CAREFUL_BUDGET, Budget, Vendor

_LEAST_SHARE = 4
_MOST_OUTSTANDING = 2000
_IN_FLIGHT_TIMES = 6
_FULL_JOBS = 4
"""So many full jobs stop their vendor. A job that is stuck is one job's fault; what many are stuck with is common to
them, and a processor that is behind must not be buried under a vendor's thousand small jobs. There is no such limit
over all vendors: none shall wait for another, and what waits to be processed is in Kafka and in the payload store, not
in anybody's memory."""


Turn = tuple[str, int]
"""A vendor, and one of the priorities of its jobs: jobs of the same take turns."""


@dataclass(frozen=True, slots=True)
class Load:
    """A vendor with running jobs: tasks released and not yet fetched, and pages that wait to be processed, of each job
    at most its own limit. Jobs above it are `full`: no more is released of them."""

    vendor: str
    outstanding: int
    unprocessed: int = 0
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


def room(load: Load, vendor: Vendor | None, window_seconds: float, unprocessed_most: int) -> int:
    """How many more may be released now; small gaps wait until they are worth a batch."""
    if load.unprocessed >= _FULL_JOBS * unprocessed_most:
        return 0
    wanted = target(vendor.budget if vendor else CAREFUL_BUDGET, window_seconds)
    free = wanted - load.outstanding
    return free if free > 0 and free >= wanted // _LEAST_SHARE else 0
