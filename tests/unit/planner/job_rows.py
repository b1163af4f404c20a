"""Rows of jobs, as the planner's table has them."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from services.planner.model import JobRow, Resolved
from shared.events.jobs import JobState
from shared.specification.source import Poll

JOB = UUID(int=1)


def job_row(**changes: Any) -> JobRow:
    """A running poll whose only task is open, with no more to follow, where `changes` do not say otherwise."""
    row = JobRow(
        id=JOB,
        state=JobState.RUNNING,
        resolved=Resolved(vendor="acme", source="items", poll=Poll()),
        planned=1,
        open=1,
        completed=0,
        failed=0,
        cancelled=0,
        records=0,
        distinct=0,
        expected=None,
        barren=0,
        discovery_over=True,
        reason="",
        since_progress_seconds=0.0,
    )
    return replace(row, **changes)
