"""What an order means for a job as it stands. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, assert_never
from uuid import UUID

from services.planner.invocation import abort_size
from services.planner.model import JobRow
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.events.topic import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class Cancel:
    """The job is cancelled: end it, unless an order before has, and its open tasks, or what that order has left.
    `after`: this order goes on with what is under way, from this number."""

    job: JobRow
    ends: bool
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Redrive:
    """Plan failed tasks of the job again: `only` these, if any is named, else a block, which begins `after` the one
    before."""

    job: JobRow
    only: tuple[UUID, ...] = ()
    after: int | None = None


@dataclass(frozen=True, slots=True)
class SetState:
    """Pause the job, or let it go on."""

    job: JobRow


Effect = Cancel | Redrive | SetState

MOST_BYTES_OF_ABORTS = 16 * 2**20
"""Of the calls that end vendors' jobs, as one order sends them."""
_MOST_OF_SUBMIT = 4
"""Messages about a submit that is cancelled: its end, its callback, its timer, the call that ends the vendor's job."""


def effect_of(job: JobRow, control: JobControl) -> Effect | None:
    """What an order is to do, with the job as it will be; nothing for an order that has no effect, such as the pause of
    a job that is over."""
    match control.action:
        case "cancel":
            if not job.is_open:
                is_left = job.state is JobState.CANCELLED and job.open
                return Cancel(job, ends=False, after=control.after) if is_left else None
            reason = control.reason or "cancelled by request"
            return Cancel(replace(job, state=JobState.CANCELLED, reason=reason), ends=True)
        case "pause":
            return SetState(replace(job, state=JobState.PAUSED)) if job.is_open else None
        case "resume":
            return SetState(replace(job, state=JobState.RUNNING)) if job.state is JobState.PAUSED else None
        case "redrive" if control.after is not None:
            goes_on = job.is_open and job.redriven_to == control.after
            return Redrive(job, after=control.after) if goes_on else None
        case "redrive":
            if job.state is JobState.CANCELLED or not (job.failed or control.task_ids):
                return None
            return Redrive(_again(job), control.task_ids)
        case _:
            assert_never(control.action)


def most_messages(job: JobRow, control: JobControl) -> int:
    """How many messages an order leads to at most, besides a few about the job itself."""
    match control.action:
        case "cancel":
            return job.open * (1 if job.resolved.invoke is None else _MOST_OF_SUBMIT)
        case "redrive":
            return len(control.task_ids) or job.failed
        case _:
            return 1


def most_bytes(job: JobRow, control: JobControl) -> int:
    """How many bytes the calls to the vendor have to which an order leads at most."""
    if control.action != "cancel" or job.resolved.invoke is None:
        return 0
    size, times = abort_size(job.resolved)
    return min(MOST_BYTES_OF_ABORTS, job.open * (size + times * MAX_MESSAGE_BYTES))


def _again(job: JobRow) -> JobRow:
    """Paging that ended for a reason has not come to its end: whatever answers now may lead on. Results of a vendor job
    that were cut off stay so. A pause goes on."""
    stopped = job.resolved.poll is not None and job.reason != ""
    return replace(
        job,
        state=JobState.PAUSED if job.state is JobState.PAUSED else JobState.RUNNING,
        reason="" if job.resolved.invoke is None else job.reason,
        discovery_over=job.discovery_over and not stopped,
        barren=0,
        redriven_to=job.redriven_to if job.is_open else None,
    )


class FoundTask(NamedTuple):
    """A task that an order names, as the table has it."""

    task_id: UUID
    round: int
    state: TaskState


@dataclass(frozen=True, slots=True)
class Named:
    """The tasks that an order to redrive names: what is `ready` has failed. Of what is `early` the planner has not
    heard yet that it failed; `unknown` is what the job does not have. The others were planned again or need not be."""

    ready: tuple[UUID, ...]
    early: tuple[UUID, ...]
    unknown: tuple[UUID, ...]


def look_at(control: JobControl, found: Iterable[FoundTask]) -> Named:
    """Sort the named tasks by what is to be done with them now."""
    known = {task.task_id: task for task in found}
    due = [task for task in known.values() if control.round is None or task.round <= control.round]
    ready = {task.task_id for task in due if task.state.is_failure}
    early = {task.task_id for task in due if not task.state.is_end}
    return Named(
        ready=tuple(task_id for task_id in control.task_ids if task_id in ready),
        early=tuple(task_id for task_id in control.task_ids if task_id in early),
        unknown=tuple(task_id for task_id in control.task_ids if task_id not in known),
    )
