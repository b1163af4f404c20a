"""What an order means for a job as it stands. Pure."""

from dataclasses import dataclass, replace
from typing import Literal, assert_never
from uuid import UUID

from services.planner.model import JobRow
from shared.events.jobs import JobControl

Action = Literal["cancel", "pause", "resume", "redrive"]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The job's next state; `cancels` its open tasks, or `redrives` its failed ones (`only` these, if any is named)."""

    job: JobRow
    cancels: bool = False
    redrives: bool = False
    only: tuple[UUID, ...] = ()


def order(job: JobRow, control: JobControl) -> Ordered | None:
    """The order's effect, or nothing where it has none (a job that is over cannot be paused)."""
    match control.action:
        case "cancel":
            if not job.is_open:
                return None
            reason = control.reason or "cancelled by request"
            return Ordered(replace(job, state="cancelled", reason=reason), cancels=True)
        case "pause":
            return Ordered(replace(job, state="paused")) if job.is_open else None
        case "resume":
            return Ordered(replace(job, state="running")) if job.state == "paused" else None
        case "redrive":
            if not job.failed or job.state == "cancelled":
                return None
            return Ordered(_again(job), redrives=True, only=control.task_ids)
        case _:
            assert_never(control.action)


def _again(job: JobRow) -> JobRow:
    """Paging that ended for a reason has not come to its end: whatever answers now may lead on."""
    stopped = job.resolved.poll is not None and job.reason != ""
    return replace(job, state="running", reason="", discovery_over=job.discovery_over and not stopped)
