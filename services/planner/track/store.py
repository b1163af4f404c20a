"""Rows of jobs and tasks as they change."""

from collections.abc import Sequence
from uuid import UUID

from services.planner.track.decide import Advance
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.events.tasks import TaskChanged

SQL = load_queries(__file__)


async def apply_task_events(tx: Transaction, events: Sequence[TaskChanged]) -> list[Row]:
    """Move tasks forward, never back; gives those that moved."""
    rows: list[Row] = await tx.fetch(
        SQL["apply_task_events"],
        [event.task_id for event in events],
        [event.round for event in events],
        [event.state.value for event in events],
        [event.state.rank for event in events],
        [event.records for event in events],
        [event.distinct for event in events],
        [event.reason[:500] for event in events],
        [event.facts.digest if event.facts else "" for event in events],
    )
    return rows


async def find_positions(tx: Transaction, task_ids: Sequence[UUID]) -> list[Row]:
    """What these tasks had asked, and the digest of the page before each."""
    rows: list[Row] = await tx.fetch(SQL["find_positions"], task_ids)
    return rows


async def update_jobs(tx: Transaction, advances: Sequence[Advance], progressed: Sequence[bool]) -> None:
    """Write the jobs as they are now."""
    jobs = [result.job for result in advances]
    await tx.execute(
        SQL["update_jobs"],
        [job.id for job in jobs],
        [result.ended.value if result.ended else result.job.state for result in advances],
        [_specification(result) for result in advances],
        [job.planned for job in jobs],
        [job.open for job in jobs],
        [job.completed for job in jobs],
        [job.failed for job in jobs],
        [job.cancelled for job in jobs],
        [job.records for job in jobs],
        [job.distinct for job in jobs],
        [job.expected for job in jobs],
        [job.barren for job in jobs],
        [job.discovery_over for job in jobs],
        [job.reason for job in jobs],
        progressed,
    )


def _specification(result: Advance) -> bytes | None:
    """Only what changed is written again: automatic paging found its style."""
    if result.pages is None:
        return None
    return result.job.resolved.model_dump_json(by_alias=True, exclude_defaults=True).encode()
