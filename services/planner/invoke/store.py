"""Rows of submits that wait."""

from collections.abc import Sequence
from uuid import UUID

from pydantic_core import from_json

from services.planner.invoke.model import Submit
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.tasks import TaskState, cut_reason

SQL = load_queries(__file__)


async def find_submits(tx: Transaction, task_ids: Sequence[UUID]) -> list[Submit]:
    """The submits among these tasks, locked."""
    return [_submit(row) for row in await tx.fetch(SQL["find_submits"], task_ids)]


async def update_submits(tx: Transaction, tasks: Sequence[Submit]) -> None:
    """Write submits as they are now; one that was over before stays as it was."""
    if not tasks:
        return
    await tx.execute(
        SQL["update_submits"],
        [task.id for task in tasks],
        [task.state.value for task in tasks],
        [task.state.rank for task in tasks],
        [task.deadline_at for task in tasks],
        [task.submitted for task in tasks],
        [task.vendor_job for task in tasks],
        [task.reported for task in tasks],
        [task.beat for task in tasks],
        [task.ask for task in tasks],
        [storable_text(cut_reason(task.reason)) for task in tasks],
    )


def _submit(row: Row) -> Submit:
    return Submit(
        id=row["id"],
        job_id=row["job_id"],
        number=row["number"],
        round=row["round"],
        state=TaskState(row["state"]),
        input=from_json(row["input"] or b"{}"),
        deadline_at=row["deadline_at"],
        submitted=row["submitted"],
        vendor_job=row["vendor_job"],
        reported=row["reported"],
        beat=row["beat"],
        ask=row["ask"],
        reason=row["reason"],
    )
