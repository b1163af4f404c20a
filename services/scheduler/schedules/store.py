"""Rows of schedules and their open firings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from services.scheduler.schedules.model import Firing, Kept, ScheduleWithFirings
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.events.schedules import ScheduleState
from shared.specification.schedule import Schedule

SQL = load_queries(__file__)


async def find_pause(tx: Transaction) -> float:
    """Seconds until the next schedule is due, negative if it is overdue; a minute if there is none."""
    pause: float = await tx.fetchval(SQL["find_pause"])
    return pause


async def claim_due(tx: Transaction, most: int, most_bytes: int) -> dict[UUID, ScheduleWithFirings]:
    """The schedules for which there is something to do, locked, the earliest first; at least one, however large."""
    rows = await tx.fetch(SQL["claim_due"], most, most_bytes)
    return await _with_firings(tx, [row["id"] for row in rows], rows)


async def lock_schedules(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, ScheduleWithFirings]:
    """Schedules by their ids, locked, whether they are there or not: one that is gone may have open firings, and come
    back."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    await tx.execute(SQL["lock_ids"], wanted)
    return await _with_firings(tx, wanted, await tx.fetch(SQL["lock_schedules"], wanted))


async def find_schedules_of(tx: Transaction, job_ids: Sequence[UUID]) -> list[UUID]:
    """The schedules that started these jobs, those of failed jobs as long as their next run waits."""
    return [row["schedule_id"] for row in await tx.fetch(SQL["find_schedules_of"], job_ids)]


async def find_abandoned(tx: Transaction, age: timedelta, most: int) -> list[UUID]:
    """The jobs of whose end nothing was heard for so long."""
    return [row["id"] for row in await tx.fetch(SQL["find_abandoned"], age, most)]


async def fail_schedules(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Schedules that cannot be read: never due again, until they are replaced."""
    if ids:
        await tx.execute(SQL["fail_schedules"], ids)


async def now(tx: Transaction) -> datetime:
    """The moment after all locks were taken: decisions about one schedule follow each other in time."""
    moment: datetime = await tx.fetchval(SQL["now"])
    return moment


async def save(
    tx: Transaction, before: Mapping[UUID, ScheduleWithFirings], after: Mapping[UUID, ScheduleWithFirings], at: datetime
) -> None:
    """Write what changed between two sights of the same schedules, in a few statements whatever their number."""
    pairs = [(before[one], after[one]) for one in sorted(after) if before[one] != after[one]]
    gone = [new.id for old, new in pairs if old.is_there and not new.is_there]
    if gone:
        await tx.execute(SQL["delete_schedules"], gone)
    await _save_rows(tx, pairs)
    await _save_firings(tx, pairs, at)


async def _save_rows(tx: Transaction, pairs: Sequence[tuple[ScheduleWithFirings, ScheduleWithFirings]]) -> None:
    whole: list[tuple[ScheduleWithFirings, Kept]] = []
    moved: list[tuple[ScheduleWithFirings, Kept]] = []
    for old, new in pairs:
        if new.kept is not None:
            same = old.kept is not None and old.kept.schedule is new.kept.schedule
            (moved if same else whole).append((new, new.kept))
    if moved:
        await tx.execute(SQL["update_schedules"], *_times(moved))
    if whole:
        ids, states, next_at, due_at = _times(whole)
        documents = [kept.schedule.model_dump_json(by_alias=True, exclude_defaults=True).encode() for _, kept in whole]
        anchors = [kept.anchor for _, kept in whole]
        used = [kept.id_used for _, kept in whole]
        await tx.execute(SQL["upsert_schedules"], ids, documents, states, anchors, next_at, due_at, used)


def _times(rows: Sequence[tuple[ScheduleWithFirings, Kept]]) -> tuple[list[object], ...]:
    return (
        [one.id for one, _ in rows],
        [kept.state.value for _, kept in rows],
        [kept.next_at for _, kept in rows],
        [one.due_at for one, _ in rows],
    )


async def _save_firings(
    tx: Transaction, pairs: Sequence[tuple[ScheduleWithFirings, ScheduleWithFirings]], at: datetime
) -> None:
    over = sorted({one.id for old, _ in pairs for one in old.open} - {one.id for _, new in pairs for one in new.open})
    if over:
        await tx.execute(SQL["delete_firings"], over)
    opened = sorted(
        ((new.id, one) for old, new in pairs for one in new.open if one not in old.open), key=lambda pair: pair[1].id
    )
    if opened:
        await tx.execute(
            SQL["upsert_firings"],
            [one.id for _, one in opened],
            [schedule_id for schedule_id, _ in opened],
            [one.planned_at for _, one in opened],
            [one.attempt for _, one in opened],
            [one.due_at for _, one in opened],
            [one.failed_job_id for _, one in opened],
            at,
        )


async def _with_firings(tx: Transaction, ids: Sequence[UUID], rows: Sequence[Row]) -> dict[UUID, ScheduleWithFirings]:
    kept = {row["id"]: _kept(row) for row in rows}
    firings: dict[UUID, list[Firing]] = {}
    for row in await tx.fetch(SQL["find_firings"], ids):
        firing = Firing(row["id"], row["planned_at"], row["attempt"], row["due_at"], row["failed_job_id"])
        firings.setdefault(row["schedule_id"], []).append(firing)
    return {
        one: ScheduleWithFirings(
            one, kept.get(one), tuple(firings.get(one, ())), unreadable=one in kept and kept[one] is None
        )
        for one in ids
    }


def _kept(row: Row) -> Kept | None:
    """Nothing, if the document was written by a version that took what this one does not."""
    try:
        schedule = Schedule.model_validate(row["document"])
    except ValidationError:
        return None
    return Kept(schedule, ScheduleState(row["state"]), row["anchor"], row["next_at"], row["id_used"])
