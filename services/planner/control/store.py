"""Rows of jobs that are ordered about."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.planner.control.decide import MOST_BYTES_OF_ABORTS, Cancel, FoundTask
from services.planner.ending import paging_stopped
from services.planner.invocation import abort_size
from services.planner.model import JobRow
from services.planner.rows import BLOCK, cancel_planned
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.tasks import TaskState

SQL = load_queries(__file__)

_ANY, _UNDER_WAY = 0, 1
_BEFORE_ALL = -1


async def cancel_tasks(tx: Transaction, effect: Cancel) -> tuple[list[Row], int | None]:
    """End open tasks of a job: a block of those that are under way, and a block of the planned ones, until there are no
    more; and in the end whatever came in between. Gives them, with the number after which others may be under way."""
    job = effect.job
    rows: list[Row] = []
    if effect.ends or effect.after is not None:
        rows = await _cancel_block(tx, job, _UNDER_WAY, _BEFORE_ALL if effect.after is None else effect.after)
    after = max((row["number"] for row in rows), default=None)
    rows += await cancel_planned(tx, job)
    return rows or await _cancel_block(tx, job, _ANY, _BEFORE_ALL), after


async def _cancel_block(tx: Transaction, job: JobRow, least_rank: int, after: int) -> list[Row]:
    size, times = (0, 0) if job.resolved.invoke is None else abort_size(job.resolved)
    limits = (BLOCK, size, times, MOST_BYTES_OF_ABORTS)
    rows: list[Row] = await tx.fetch(SQL["cancel_tasks"], job.id, least_rank, after, *limits)
    return rows


async def close_job(tx: Transaction, job: JobRow, cancelled: int) -> JobRow:
    """The job is cancelled, with that many of its tasks."""
    await tx.execute(SQL["close_job"], job.id, cancelled, storable_text(job.reason))
    return replace(job, open=job.open - cancelled, cancelled=job.cancelled + cancelled)


async def find_tasks(tx: Transaction, job_id: UUID, task_ids: Sequence[UUID]) -> list[FoundTask]:
    """These tasks of a job; those that it does not have are not there."""
    rows = await tx.fetch(SQL["find_tasks"], job_id, task_ids)
    return [FoundTask(row["id"], row["round"], TaskState(row["state"])) for row in rows]


async def find_failed(tx: Transaction, job: JobRow, after: int | None) -> tuple[list[UUID], int | None]:
    """The next block of a job's failed tasks, with its last number unless there are no more."""
    rows = await tx.fetch(SQL["find_failed"], job.id, _BEFORE_ALL if after is None else after, BLOCK)
    return [row["id"] for row in rows], rows[-1]["number"] if len(rows) == BLOCK else None


async def redrive_tasks(tx: Transaction, job: JobRow, task_ids: Sequence[UUID]) -> list[Row]:
    """Plan failed tasks of a job again, in their next round; gives them."""
    rows: list[Row] = await tx.fetch(SQL["redrive_tasks"], job.id, task_ids)
    return rows


async def find_cut(tx: Transaction, job: JobRow) -> dict[int, str]:
    """Why the results of one of the job's vendor jobs are still cut off, if those of any are: not all cuts are kept."""
    row = await tx.fetchrow(SQL["find_cut"], job.id)
    return {} if row is None else {row["slice"]: paging_stopped(row["number"], row["reason"])}


async def set_state(tx: Transaction, job: JobRow) -> None:
    """Pause or resume."""
    await tx.execute(SQL["set_state"], job.id, job.state.value)


async def insert_early_order(tx: Transaction, job_id: UUID, order_id: UUID) -> None:
    """A job that is still to come begins paused, because of this order."""
    await tx.execute(SQL["insert_early_order"], order_id, job_id)


async def delete_early_order(tx: Transaction, order_id: UUID) -> None:
    """This order holds nothing any more: it is carried out, or refused."""
    await tx.execute(SQL["delete_early_order"], order_id)
