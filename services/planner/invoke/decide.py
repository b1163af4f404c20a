"""What a submit's answer, a callback, an answer about the status or a timer means for a task that waits. Pure.

Whatever comes first decides, and only once: a task that is over hears nothing any more. What says `done` before the
vendor's id is known, where the results need that id, is kept until it is.

A deadline or heartbeat whose timer comes late does not end its task at once: Sluice was away, and what the vendor
reported meanwhile has a longer way than the timer, through the gateway's spool. The task gets a grace, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.planner.ending import also_cut, cut_results
from services.planner.invocation import invoke_of, resolve_results, status_call
from services.planner.model import JobRow, PlannedCall, Resolved, TaskRef
from services.planner.paging.follow import first_step
from services.planner.paging.step import Step
from services.planner.waiting import DueKind
from shared.events.callbacks import TaskDue
from shared.events.tasks import TaskChanged, TaskState
from shared.specification.values import Scalar, write_duration
from shared.specification.vendor_jobs import Told

_ABANDONED = frozenset({TaskState.CANCELLED, TaskState.EXPIRED})
_LATE = timedelta(seconds=1)
_GRACE = timedelta(seconds=30)
_LONGEST_LATENESS = timedelta(minutes=10)
"""The grace is as long as the timer was late, up to this, and `_GRACE` longer: what piled up is worked off in that."""


@dataclass(frozen=True, slots=True)
class Submit:
    """A submit and what is known of its vendor job. `reported` is what the vendor said became of the job, kept until
    the vendor's id is known; `beat` counts the reports of progress, `ask` the questions for the status. `submitted_at`
    is not stored: it comes with the submit's answer."""

    id: UUID
    job_id: UUID
    number: int
    round: int
    state: TaskState
    input: Mapping[str, Scalar]
    deadline_at: datetime | None = None
    submitted: bool = False
    submitted_at: datetime | None = None
    vendor_job: str | None = None
    reported: Told | None = None
    beat: int = 0
    ask: int = 0
    reason: str = ""

    @property
    def ref(self) -> TaskRef:
        """The task in its round."""
        return TaskRef(self.id, self.job_id, self.number, self.round)


@dataclass(frozen=True, slots=True)
class End:
    """The task is over: everyone hears of it, and nobody waits for its callback any more."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Its callback is expected under the vendor's id and until the deadline that it has now."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask the vendor for the status."""


@dataclass(frozen=True, slots=True)
class EndVendorJob:
    """Tell the vendor that nobody waits for its job any more."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Look again after a time; `number` is the beat or ask that it belongs to. `in_grace`: no further grace follows."""

    kind: DueKind
    after: timedelta
    number: int
    in_grace: bool = False


Effect = End | Expect | AskStatus | EndVendorJob | Wake


@dataclass(frozen=True, slots=True)
class Move:
    """The task after what it heard, and what others are to hear of that: each effect once, of the task as it is in the
    end."""

    task: Submit
    effects: tuple[Effect, ...] = ()

    def then(self, task: Submit, *effects: Effect) -> "Move":
        """The task moves on, with these effects besides."""
        return Move(task, tuple(dict.fromkeys((*self.effects, *effects))))


def move(so_far: Move, resolved: Resolved, event: TaskChanged | TaskDue, now: datetime, *, paused: bool) -> Move:
    """The move after one more event."""
    task = so_far.task
    if event.round != task.round:
        return so_far
    if task.state.is_end:
        return _too_late(so_far, event)
    if isinstance(event, TaskDue):
        return _due(so_far, resolved, event, now, paused=paused)
    return _heard(so_far, resolved, event)


def _too_late(so_far: Move, event: TaskChanged | TaskDue) -> Move:
    """A submit that was answered after its task was given up leaves a vendor's job that nobody waits for."""
    task = so_far.task
    if isinstance(event, TaskDue) or event.purpose != "submit" or task.state not in _ABANDONED:
        return so_far
    return so_far.then(replace(task, vendor_job=task.vendor_job or event.vendor_job), EndVendorJob())


def _due(so_far: Move, resolved: Resolved, event: TaskDue, now: datetime, *, paused: bool) -> Move:
    match event.kind:
        case "deadline":
            return _deadline_passed(so_far, resolved, event, now)
        case "heartbeat":
            return _heartbeat_missed(so_far, resolved, event, now)
        case "status":
            return _status_due(so_far, resolved, event, paused=paused)


def _deadline_passed(so_far: Move, resolved: Resolved, event: TaskDue, now: datetime) -> Move:
    task, deadline, next_beat = so_far.task, invoke_of(resolved).deadline, event.beat + 1
    if not task.submitted:
        # It waits for a permit, or its release died: nobody is at work for it, so its time has not begun.
        return _extended(so_far, now, deadline, next_beat)
    if task.deadline_at is not None and now < task.deadline_at:
        return _extended(so_far, now, task.deadline_at - now, next_beat, in_grace=event.in_grace)
    if grace := _grace_of(event, now):
        return _extended(so_far, now, grace, next_beat, in_grace=True)
    if task.reported == "done":
        return _expired(so_far, "vendor_job_missing: it is done, but nothing told the id that its results need")
    return _expired(so_far, f"deadline_exceeded: no outcome within {write_duration(deadline)}")


def _heartbeat_missed(so_far: Move, resolved: Resolved, event: TaskDue, now: datetime) -> Move:
    task, heartbeat = so_far.task, invoke_of(resolved).heartbeat
    if heartbeat is None or event.beat != task.beat:
        return so_far
    if grace := _grace_of(event, now):
        return so_far.then(task, Wake("heartbeat", grace, task.beat, in_grace=True))
    return _expired(so_far, f"heartbeat_missed: no progress within {write_duration(heartbeat)}")


def _status_due(so_far: Move, resolved: Resolved, event: TaskDue, *, paused: bool) -> Move:
    task, status = so_far.task, invoke_of(resolved).status
    if status is None or event.ask != task.ask:
        return so_far
    if paused or status_call(resolved, task.input, task.vendor_job) is None:
        return _ask_again(so_far, status.every)
    return so_far.then(task, AskStatus())


def _grace_of(event: TaskDue, now: datetime) -> timedelta | None:
    """How long the task still waits; nothing if its timer came on time, or if this is the end of a grace."""
    if event.in_grace or event.due_at is None or now - event.due_at <= _LATE:
        return None
    return _GRACE + min(now - event.due_at, _LONGEST_LATENESS)


def _extended(so_far: Move, now: datetime, left: timedelta, number: int, *, in_grace: bool = False) -> Move:
    wake = Wake("deadline", left, number, in_grace)
    return so_far.then(replace(so_far.task, deadline_at=now + left), Expect(), wake)


def _expired(so_far: Move, reason: str) -> Move:
    return _ended(replace(so_far.task, state=TaskState.EXPIRED, reason=reason), EndVendorJob())


def _ended(task: Submit, *effects: Effect) -> Move:
    """Nothing else that the task was to do counts any more."""
    return Move(task, (End(), *effects))


def _heard(so_far: Move, resolved: Resolved, event: TaskChanged) -> Move:
    task, invoke = so_far.task, invoke_of(resolved)
    known = task.vendor_job or event.vendor_job
    waiting = replace(task, state=TaskState.WAITING, vendor_job=known, reason=event.reason or task.reason)
    after = so_far.then(waiting) if known == task.vendor_job else so_far.then(waiting, Expect())
    if event.purpose == "submit" and not task.submitted:
        after = _submitted(after, resolved, event)
    if event.told == "progress":
        after = _progressed(after, resolved)
    elif event.told is not None and after.task.reported is None:
        after = after.then(replace(after.task, reported=event.told))
    if event.purpose == "status" and invoke.status is not None:
        after = _ask_again(after, invoke.status.every)
    return _decided(after, resolved)


def _submitted(so_far: Move, resolved: Resolved, event: TaskChanged) -> Move:
    invoke = invoke_of(resolved)
    left_at = event.attempt.started_at if event.attempt else None
    task = replace(so_far.task, submitted=True, submitted_at=left_at, deadline_at=event.at + invoke.deadline)
    after = so_far.then(task, Expect())
    if invoke.heartbeat is not None:
        after = after.then(after.task, Wake("heartbeat", invoke.heartbeat, after.task.beat))
    if invoke.status is not None:
        after = after.then(after.task, Wake("status", invoke.status.after, after.task.ask))
    return after


def _progressed(so_far: Move, resolved: Resolved) -> Move:
    task, heartbeat = replace(so_far.task, beat=so_far.task.beat + 1), invoke_of(resolved).heartbeat
    return so_far.then(task) if heartbeat is None else so_far.then(task, Wake("heartbeat", heartbeat, task.beat))


def _ask_again(so_far: Move, every: timedelta) -> Move:
    task = replace(so_far.task, ask=so_far.task.ask + 1)
    return so_far.then(task, Wake("status", every, task.ask))


def _decided(so_far: Move, resolved: Resolved) -> Move:
    task = so_far.task
    if task.reported == "failed":
        reason = "vendor_failed: the vendor says that its job failed"
        return _ended(replace(task, state=TaskState.FAILED, reason=reason))
    if task.reported == "done" and (invoke_of(resolved).results is None or _results(task, resolved)):
        return _ended(replace(task, state=TaskState.COMPLETED, reason=""))
    return so_far


def _results(task: Submit, resolved: Resolved) -> Resolved | None:
    return resolve_results(resolved, task.input, task.vendor_job)


def results_of(task: Submit, resolved: Resolved) -> Step:
    """The first calls for the results of a vendor job that is done, or why there can be none."""
    if task.state is not TaskState.COMPLETED or invoke_of(resolved).results is None:
        return Step()
    results = _results(task, resolved)
    if results is None:
        return Step()
    step = first_step(results)
    return replace(step, calls=tuple(replace(call, slice=task.number) for call in step.calls))


def count(job: JobRow, ended: Sequence[Submit]) -> tuple[JobRow, tuple[PlannedCall, ...]]:
    """The job after these of its tasks have ended, and the calls for their results. The reason names the results that
    cannot be asked for, so that the job does not end as completed."""
    steps = [(task.number, results_of(task, job.resolved)) for task in ended]
    planned = tuple(call for _, step in steps for call in step.calls)
    reason = job.reason
    for number, step in steps:
        reason = also_cut(reason, f"{cut_results(number)}{step.problem}") if step.problem else reason
    completed = sum(task.state is TaskState.COMPLETED for task in ended)
    counted = replace(
        job,
        open=job.open - len(ended) + len(planned),
        planned=job.planned + len(planned),
        completed=job.completed + completed,
        failed=job.failed + len(ended) - completed,
        reason=reason,
    )
    return counted, planned
