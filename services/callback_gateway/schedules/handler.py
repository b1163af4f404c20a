"""schedules.events → schedules and their firings."""

from collections.abc import Sequence

from services.callback_gateway.schedules import store
from services.callback_gateway.schedules.decide import firing_views, schedule_views
from shared.database.pool import Transaction
from shared.events.envelope import Incoming
from shared.events.schedules import ScheduleChanged
from shared.messaging.handler import Result


async def view_schedules(tx: Transaction, batch: Sequence[Incoming[ScheduleChanged]]) -> list[Result]:
    """Bring schedules up to date; a late fact adds what it knows, and never turns anything back."""
    facts = [incoming.event for incoming in batch]
    await store.upsert_schedules(tx, schedule_views(facts))
    await store.upsert_firings(tx, firing_views(facts))
    return []
