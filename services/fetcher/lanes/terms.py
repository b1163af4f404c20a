"""On what terms a vendor may be called at one time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.fetcher.model import REFUSALS, is_circuit_open
from services.fetcher.permits.decide import Report, ahead_of, record
from services.fetcher.permits.lease import Lease, LeaseRequest, lease
from services.fetcher.permits.windows import Permits
from shared.specification.vendor import CAREFUL_BUDGET, Budget, Vendor

_COMMIT_US = 10_000
"""The first moment lies this far ahead: until the claim is committed, a permit for now would be late already."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a vendor's locked row says. `now` is microseconds on the database's clock; `elsewhere`: calls that other
    fetchers have open. `has_news`: the permits are other than in the row."""

    vendor: Vendor | None
    now: int
    pace: float
    paused_seconds: float
    refused_credentials: int
    faults: int
    elsewhere: int
    permits: Permits
    has_news: bool = False

    @property
    def budget(self) -> Budget:
        """The contract; a careful one for a vendor that is not configured."""
        return self.vendor.budget if self.vendor else CAREFUL_BUDGET

    @property
    def most(self) -> int:
        """How many calls may be in flight: one while the vendor refuses our credential, or fails."""
        return 1 if self.refused_credentials >= REFUSALS or self.is_failing else self.budget.in_flight

    @property
    def is_failing(self) -> bool:
        """Whether the vendor's circuit is open: the next call shows whether it works again."""
        return is_circuit_open(self.faults)

    def noting(self, reports: Sequence[Report]) -> "Terms":
        """The terms after what was reported."""
        permits = record(self.budget, self.permits, reports, self.now)
        return replace(self, permits=permits, has_news=bool(reports))

    def until(self, most_ahead: int) -> int:
        """The last moment that may be leased now, at most so many microseconds ahead."""
        return self.now + ahead_of(self.budget, most_ahead)

    def lease(self, count: int, most_ahead: int) -> Lease:
        """Up to so many moments for calls that leave once the claim is committed."""
        first = self.now + _COMMIT_US if self.budget.windows else self.now
        return lease(self.budget, self.permits, LeaseRequest(count, first, self.until(most_ahead), self.pace))
