"""What the lanes of a process share."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.fetcher.lanes.slots import CallSlots
from shared.database.pool import Database, Row
from shared.messaging.latest import read_latest
from shared.runtime.clock import DATABASE_CLOCK, DatabaseClock
from shared.specification.vendor import Vendor


class Vendors:
    """Vendors as they are configured, each read once for each version."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Vendor | None]] = {}

    def read(self, name: str, row: Row) -> Vendor | None:
        """The vendor as it is configured now, by its row in `budgets`; None if it is not configured."""
        if row["document"] is None:
            return None
        version, known = self._known.get(name, (None, None))
        if version != row["updated_at"]:
            known = read_latest(Vendor, name, row["document"])
            self._known[name] = (row["updated_at"], known)
        return known

    def forget(self, name: str) -> None:
        """Its lane has ended."""
        self._known.pop(name, None)


@dataclass(frozen=True, slots=True)
class Resources:
    """What the lanes of a process share. A lane holds one of `claims` while it locks a vendor's row: however many
    vendors there are, other work finds a connection, too."""

    database: Database
    fetcher_id: UUID
    slots: CallSlots
    claims: asyncio.Semaphore
    vendors: Vendors = field(default_factory=Vendors)
    clock: DatabaseClock = DATABASE_CLOCK
