"""How many tasks of a vendor may be out at once. Pure."""

from dataclasses import dataclass

from shared.specification.vendor import CAREFUL_BUDGET, Budget, Vendor

_LEAST_SHARE = 8
_MOST_OUTSTANDING = 2000
_IN_FLIGHT_TIMES = 6


@dataclass(frozen=True, slots=True)
class Load:
    """A vendor with running jobs: tasks released and not yet fetched."""

    vendor: str
    outstanding: int


def target(budget: Budget, window_seconds: float) -> int:
    """Tasks that should be out: what the contract can use in `window_seconds`, and enough to fill what is in flight."""
    rates = [window.requests / window.per.total_seconds() for window in budget.windows if not window.is_quota]
    filled = budget.in_flight * _IN_FLIGHT_TIMES
    wanted = min(filled, *(int(rate * window_seconds) for rate in rates)) if rates else filled
    return max(1, min(wanted, _MOST_OUTSTANDING))


def room(load: Load, vendor: Vendor | None, window_seconds: float) -> int:
    """How many more may be released now; small gaps wait until they are worth a batch."""
    wanted = target(vendor.budget if vendor else CAREFUL_BUDGET, window_seconds)
    free = wanted - load.outstanding
    return free if free > 0 and free >= wanted // _LEAST_SHARE else 0
