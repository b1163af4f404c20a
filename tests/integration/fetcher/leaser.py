"""A lane's fetcher whose permits the test holds, and what the vendor's row says of them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.fetcher.lanes.lane import Lane
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.places import PlaceRules, Places
from services.fetcher.model import Claimed
from services.fetcher.permits.state import read_permits
from shared.database.pool import Database, Row
from shared.ids import new_id
from shared.specification.vendor import Budget, Vendor, Window

SPACED = Vendor.model_validate(
    {"vendor": "v", "base_url": "https://v.example", "budget": {"windows": [{"requests": 1000, "per": "60s"}]}}
)
QUOTA = SPACED.model_copy(update={"budget": Budget(windows=(Window(requests=10, per=timedelta(days=1)),))})


class Leaser:
    """Leases permits as a fetcher does, and leaves it to the test what becomes of them."""

    stopping = False

    def __init__(self, database: Database, vendor: Vendor = SPACED) -> None:
        self.vendor = vendor
        self.database = database
        self.fetcher_id: UUID = new_id()
        self.permits: list[Permit] = []
        self.claims = asyncio.Semaphore(4)
        self.moments: list[int] = []
        self.calls: list[Claimed] = []
        self.places = Places(PlaceRules(calls=20, vendor_share=0.5), lambda vendor: None)

    def vendor_of(self, name: str, row: Row) -> Vendor:
        return self.vendor

    def announce(self, calls: Sequence[Claimed]) -> None:
        pass

    def start(self, lane: Lane, call: Claimed) -> None:
        self.calls.append(call)
        self.permits.append(Permit(lane, call))
        self.moments.append(call.moment)


async def noted(database: Database) -> tuple[int, int]:
    """Calls that have left, and permits of which nobody knows yet."""
    async with database.transaction() as tx:
        permits = read_permits(await tx.fetchval("SELECT permits FROM budgets"))
    return sum(calls for window in permits.windows for _, calls in window.sent), len(permits.leased)
