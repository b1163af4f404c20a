"""Rows of jobs and tasks as they change."""

from collections.abc import Sequence
from uuid import UUID

from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.tasks import TaskChanged, cut_reason

SQL = load_queries(__file__)


async def read_answers(tx: Transaction, events: Sequence[TaskChanged], digests: Sequence[str]) -> set[tuple[UUID, int]]:
    """Note that the answers in these events are read now; gives those that were not before, by task and round.
    `digests`: of the answers that lead on."""
    rows = await tx.fetch(
        SQL["read_answers"],
        [event.task_id for event in events],
        [event.round for event in events],
        digests,
    )
    return {(row["id"], row["round"]) for row in rows}


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
        [storable_text(cut_reason(event.reason)) for event in events],
    )
    return rows


async def find_positions(tx: Transaction, task_ids: Sequence[UUID]) -> list[Row]:
    """What these tasks had asked, and the digest of the page before each."""
    rows: list[Row] = await tx.fetch(SQL["find_positions"], task_ids)
    return rows
