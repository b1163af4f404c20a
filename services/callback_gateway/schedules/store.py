"""Rows of schedules and firings."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json

from services.callback_gateway.schedules.decide import FiringView, ScheduleView
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_json, storable_text

SQL = load_queries(__file__)

FIRINGS_KEPT = 200
"""The latest ones of each schedule: so many are kept, and all of them are shown."""
PAGE_BYTES = 4 * 1024**2
"""What is held to show them is several times as much."""


async def insert_schedule(
    tx: Transaction, schedule_id: UUID, name: str | None, document: object, asked_at: datetime
) -> None:
    """A schedule that was asked for; one that is in force stays as it is until it is changed, and one that went after
    it was asked for stays gone."""
    await tx.execute(SQL["insert_schedule"], schedule_id, name, storable_json(to_json(document)), asked_at)


async def upsert_schedules(tx: Transaction, views: Sequence[ScheduleView]) -> None:
    """Schedules as the batch leaves them."""
    await tx.execute(
        SQL["upsert_schedules"],
        [view.id for view in views],
        [view.name and storable_text(view.name) for view in views],
        [view.document and storable_json(to_json(view.document)) for view in views],
        [view.state.value for view in views],
        [view.next_at for view in views],
        [storable_text(view.reason) for view in views],
        [view.mistakes and storable_json(to_json(view.mistakes)) for view in views],
        [view.changed_at for view in views],
    )


async def upsert_firings(tx: Transaction, views: Sequence[FiringView]) -> None:
    """Firings as the batch leaves them; of each schedule the latest are kept."""
    if not views:
        return
    await tx.execute(
        SQL["upsert_firings"],
        [view.schedule_id for view in views],
        [view.planned_at for view in views],
        [view.attempt for view in views],
        [view.rank for view in views],
        [view.verdict for view in views],
        [view.job_id for view in views],
        [storable_text(view.reason) for view in views],
        [view.fired_at for view in views],
        [view.ended_at for view in views],
    )
    await tx.execute(SQL["trim_firings"], sorted({view.schedule_id for view in views}), FIRINGS_KEPT)


async def find_schedules(tx: Transaction, state: str | None, after: UUID | None, limit: int) -> list[Row]:
    """Schedules, newest first; without a state all but those that are removed. Large ones make fewer than `limit`;
    `found` is how many there were."""
    if state is None:
        rows: list[Row] = await tx.fetch(SQL["find_schedules"], after, limit, PAGE_BYTES)
    else:
        rows = await tx.fetch(SQL["find_schedules_in_state"], state, after, limit, PAGE_BYTES)
    return rows


async def find_schedule(tx: Transaction, schedule_id: UUID) -> Row | None:
    """One schedule."""
    return await tx.fetchrow(SQL["find_schedule"], schedule_id)


async def find_firings(tx: Transaction, schedule_id: UUID, limit: int) -> list[Row]:
    """The firings of a schedule, newest first."""
    rows: list[Row] = await tx.fetch(SQL["find_firings"], schedule_id, limit)
    return rows


async def find_key_time(tx: Transaction, key: str, fingerprint: bytes) -> datetime | None:
    """When an idempotency key was first used with this body, if it was."""
    moment: datetime | None = await tx.fetchval(SQL["find_key_time"], key, fingerprint)
    return moment


async def delete_gone(tx: Transaction, most: int) -> int:
    """Delete schedules that are gone for a month; gives how many they were."""
    count: int = await tx.fetchval(SQL["delete_gone"], most)
    return count
