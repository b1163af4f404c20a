"""The permits of one vendor in this process: leased in the vendor's row in `budgets`, and reported there.

Moments are on the database's clock; `clock` says how far the monotonic clock of this process is from it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.fetcher.lanes import decide, store
from services.fetcher.lanes.decide import Wait
from services.fetcher.lanes.resources import Resources
from services.fetcher.lanes.terms import Terms
from services.fetcher.metrics import PERMITS
from services.fetcher.permits.decide import FARTHEST_AHEAD, Report
from services.fetcher.permits.state import read_permits, write_permits
from shared.database.pool import Row, Transaction
from shared.observability.metrics import vendor_label
from shared.specification.vendor import Vendor


class Leases:
    """The permits of one vendor."""

    def __init__(self, vendor: str, resources: Resources) -> None:
        self.vendor = vendor
        self.clock = resources.clock
        self.is_rate_limited = False
        self.is_logged = False
        """Whether calls are logged: for the vendor's windows, or for those that it had before and may have again."""
        self._resources = resources
        self._one_claim = asyncio.Lock()
        self._reports: list[Report] = []

    def report(self, report: Report) -> None:
        """Keep what became of a permit, for the next claim to note, where calls are logged."""
        if self.is_logged:
            self._reports.append(report)

    @property
    def has_reports(self) -> bool:
        """Whether the next claim has something to note in the vendor's row."""
        return bool(self._reports)

    @asynccontextmanager
    async def lock_budget(self) -> AsyncIterator[tuple[Transaction, Terms]]:
        """The vendor's row, locked in a transaction. Here one claim at a time waits for it, so that a vendor with many
        redirects takes but one of `claims`.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._one_claim, self._resources.claims, self._resources.database.transaction() as tx:
            row = await store.lock_budget(tx, self.vendor, self._resources.fetcher_id)
            self.clock.read(row["now_us"])
            yield tx, _terms_of(row, self._resources.vendors.read(self.vendor, row))

    @asynccontextmanager
    async def note_reports(self) -> AsyncIterator[tuple[Transaction, Terms]]:
        """As `lock_budget`, for a transaction that notes what was reported before the lock. What is reported later is
        left for the next one. If the transaction fails before its commit, all is noted by the next; if the commit
        fails, what is doubtful.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.lock_budget() as (tx, found):
            reports = tuple(self._reports)
            terms = found.noting(reports)
            self.is_rate_limited = bool(terms.budget.windows)
            self.is_logged = self.is_rate_limited or bool(terms.permits.windows)
            yield tx, terms
            doubtful = doubtful_of(reports)
            self._reports[: len(reports)] = doubtful
        del self._reports[: len(doubtful)]

    async def lease_another(self) -> int | Wait:
        """The moment of one more permit for a call that is open, or the wait before it is asked for again. What is open
        holds a place of those in flight, so it gets its next permit before what has not begun. Leased in the vendor's
        row as all are; what the claims have to report is left to them.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self.lock_budget() as (tx, found):
            if found.paused_seconds > 0:
                return Wait(min(found.paused_seconds, decide.LONGEST_WAIT_SECONDS))
            leased = found.noting(()).lease(1, FARTHEST_AHEAD)
            await store.update_permits(tx, self.vendor, write_permits(leased.permits))
        PERMITS.labels(vendor=vendor_label(self.vendor), fate="leased").inc(len(leased.moments))
        return leased.moments[0] if leased.moments else Wait(decide.LONGEST_WAIT_SECONDS)


def doubtful_of(reports: Sequence[Report]) -> list[Report]:
    """Reports to repeat after a commit of unknown outcome. They carry no moment: it may already belong to another call.
    So what left counts once more, and what never left counts until its permit is given up."""
    return [Report(None, report.sent_at) for report in reports if report.sent_at is not None]


def _terms_of(row: Row, vendor: Vendor | None) -> Terms:
    return Terms(
        vendor,
        now=row["now_us"],
        pace=row["pace"],
        paused_seconds=row["paused_seconds"],
        refused_credentials=row["refused_credentials"],
        faults=row["faults"],
        elsewhere=row["elsewhere"],
        permits=read_permits(row["permits"]),
    )
