"""The permits of one vendor in this process: leased in the vendor's row in `budgets`, and reported there.

Moments are on the database's clock; `clock` says how far the monotonic clock of this process is from it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.fetcher.lanes import decide, store
from services.fetcher.lanes.decide import Leased, NotYet
from services.fetcher.lanes.resources import Resources
from services.fetcher.metrics import PERMITS
from services.fetcher.permits.decide import FARTHEST_AHEAD, Report, ahead_of, record
from services.fetcher.permits.lease import LeaseRequest, lease
from services.fetcher.permits.state import read_permits, write_permits
from shared.database.pool import Row, Transaction
from shared.observability.metrics import vendor_label
from shared.runtime.clock import DatabaseClock
from shared.specification.vendor import CAREFUL_BUDGET

COMMIT_US = 10_000
"""The first moment lies this far ahead: until the claim is committed, a permit for now would be late already."""


class Leases:
    """The permits of one vendor."""

    def __init__(self, vendor: str, resources: Resources) -> None:
        self.vendor = vendor
        self.clock = DatabaseClock()
        self.is_rate_limited = False
        self.is_logged = False
        """Whether calls are logged: for the vendor's windows, or for those that it had before and may have again."""
        self._resources = resources
        self._one_claim = asyncio.Lock()
        self._reports: list[Report] = []
        self._doubtful = 0

    def report(self, report: Report) -> None:
        """Keep what became of a permit, for the next claim to note, where calls are logged."""
        if self.is_logged:
            self._reports.append(report)

    @property
    def reports(self) -> tuple[Report, ...]:
        """What the next claim is to note in the vendor's row."""
        return tuple(self._reports)

    def noted(self, reports: Sequence[Report]) -> None:
        """The first of the reports, these, are noted by the transaction under way. Should its commit fail, some of them
        are to be noted once more."""
        again = doubtful_of(reports)
        self._reports[: len(reports)] = again
        self._doubtful = len(again)

    def committed(self) -> None:
        """What was noted is noted for certain."""
        del self._reports[: self._doubtful]

    @asynccontextmanager
    async def lock_budget(self) -> AsyncIterator[tuple[Transaction, Row]]:
        """The vendor's row, locked in a transaction. Here one claim at a time waits for it, so that a vendor with many
        redirects takes but one of `claims`.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._one_claim, self._resources.claims, self._resources.database.transaction() as tx:
            row = await store.lock_budget(tx, self.vendor, self._resources.fetcher_id)
            self.clock.read(row["now_us"])
            yield tx, row

    async def lease_another(self) -> Leased | NotYet:
        """One more permit for a call that is open, or the wait before it is asked for again. What is open holds a place
        of those in flight, so it gets its next permit before what has not begun. Leased in the vendor's row as all are;
        what the claims have to report is left to them.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.lock_budget() as (tx, row):
            now, paused = row["now_us"], row["paused_seconds"]
            if paused > 0:
                return NotYet(min(paused, decide.LONGEST_WAIT_SECONDS))
            vendor = self._resources.vendors.read(self.vendor, row)
            budget = vendor.budget if vendor else CAREFUL_BUDGET
            permits = record(budget, read_permits(row["permits"]), (), now)
            until = now + ahead_of(budget, FARTHEST_AHEAD)
            leased = lease(budget, permits, LeaseRequest(1, now + COMMIT_US, until, row["pace"]))
            await store.update_permits(tx, self.vendor, write_permits(leased.permits))
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(leased.moments))
        return Leased(leased.moments[0]) if leased.moments else NotYet(decide.LONGEST_WAIT_SECONDS)


def doubtful_of(reports: Sequence[Report]) -> list[Report]:
    """What is to be noted again where it is not known whether it was: as it is, it might free another call's permit
    for the same moment. So what left counts once more, and what never left counts until it is silent."""
    return [Report(None, report.sent_at) for report in reports if report.sent_at is not None]
