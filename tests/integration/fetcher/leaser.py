"""A lane's fetcher whose permits the test holds, and what the vendor's row says of them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from services.fetcher.lanes.calls import Calls
from services.fetcher.lanes.lane import Lane
from services.fetcher.lanes.leases import Leases
from services.fetcher.lanes.load import LaneLoad
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.resources import Resources, Vendors
from services.fetcher.lanes.slots import CallSlots, SlotRules
from services.fetcher.model import Claimed
from services.fetcher.permits.state import read_permits
from shared.database.pool import Database, Row
from shared.ids import new_id
from shared.runtime.clock import DatabaseClock
from shared.specification.vendor import Budget, Vendor, Window

SPACED = Vendor.model_validate(
    {"vendor": "v", "base_url": "https://v.example", "budget": {"windows": [{"requests": 1000, "per": "60s"}]}}
)
QUOTA = SPACED.model_copy(update={"budget": Budget(windows=(Window(requests=10, per=timedelta(days=1)),))})
FULL = QUOTA.model_copy(update={"budget": Budget(windows=QUOTA.budget.windows, in_flight=2)})


class OneVendor(Vendors):
    """However it is called."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor

    def read(self, name: str, row: Row) -> Vendor:
        return self.vendor


class Leaser(Calls):
    """Leases permits as a fetcher does, and leaves it to the test what becomes of them."""

    def __init__(self, database: Database, vendor: Vendor = SPACED) -> None:
        self.calls: list[Claimed] = []
        self.permits: list[Permit] = []
        self.moments: list[int] = []
        self.given: list[str] = []
        """Vendors that waited in line and were given a slot."""
        self.configured = OneVendor(vendor)
        slots = CallSlots(SlotRules(calls=20, vendor_share=0.5), self.given.append)
        resources = Resources(database, new_id(), slots, asyncio.Semaphore(4), self.configured, DatabaseClock())
        self.lane = Lane("v", resources, self)
        self.leases = Leases("v", resources)

    def announce(self, calls: Sequence[Claimed]) -> None:
        pass

    def start(self, call: Claimed, permit: Permit, load: LaneLoad) -> None:
        self.calls.append(call)
        self.permits.append(permit)
        self.moments.append(call.moment)


async def noted(database: Database) -> tuple[int, int]:
    """Calls that have left, and permits of which nobody knows yet."""
    async with database.transaction() as tx:
        permits = read_permits(await tx.fetchval("SELECT permits FROM budgets"))
    return sum(calls for window in permits.windows for _, calls in window.sent), len(permits.leased)
