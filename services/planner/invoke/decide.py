"""What a submit's answer, a callback, an answer about the status or a timer means for a task that waits. Pure.

The first outcome decides, and only once: later events do not change a task that is over. What says `done` before the
vendor's id is known, where the results need that id, is kept until it is.

A deadline or heartbeat whose timer comes more than 8 s late does not end its task at once: Sluice was away, and what
the vendor reported meanwhile has a longer way than the timer, through the gateway's spool. The task gets a grace, once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from services.planner.ending import also_cut
from services.planner.invocation import invoke_of, resolve_results, status_call
from services.planner.invoke.model import AskStatus, Effect, End, EndVendorJob, Expect, Submit, Transition, Wake
from services.planner.model import JobRow, PlannedCall, Resolved
from services.planner.paging.follow import first_step
from services.planner.paging.step import Step
from shared.events.callbacks import TaskDue
from shared.events.tasks import OUTCOME_UNKNOWN, TaskChanged, TaskState
from shared.specification.values import write_duration

_ABANDONED = frozenset({TaskState.CANCELLED, TaskState.EXPIRED})
_LATE = timedelta(seconds=8)
"""A timer fires within 5 s while Sluice works: rebalances and clocks that differ take seconds, too."""
_GRACE = timedelta(seconds=30)
_LONGEST_LATENESS = timedelta(minutes=10)
"""The grace is as long as the timer was late, up to this, and `_GRACE` longer: what piled up is worked off in that."""


def apply_event(
    so_far: Transition, resolved: Resolved, event: TaskChanged | TaskDue, now: datetime, *, paused: bool
) -> Transition:
    """The transition after one more event."""
    task = so_far.task
    if event.round != task.round:
        return so_far
    if task.state.is_end:
        return _too_late(so_far, event)
    if isinstance(event, TaskDue):
        return _due(so_far, resolved, event, now, paused=paused)
    return _heard(so_far, resolved, event)


def _too_late(so_far: Transition, event: TaskChanged | TaskDue) -> Transition:
    """A submit that was answered after its task was given up leaves a vendor's job that is not needed."""
    task = so_far.task
    if isinstance(event, TaskDue) or event.purpose != "submit" or task.state not in _ABANDONED:
        return so_far
    return so_far.then(replace(task, vendor_job=task.vendor_job or event.vendor_job), EndVendorJob())


def _due(so_far: Transition, resolved: Resolved, event: TaskDue, now: datetime, *, paused: bool) -> Transition:
    match event.kind:
        case "deadline":
            return _deadline_passed(so_far, resolved, event, now)
        case "heartbeat":
            return _heartbeat_missed(so_far, resolved, event, now)
        case "status":
            return _status_due(so_far, resolved, event, paused=paused)


def _deadline_passed(so_far: Transition, resolved: Resolved, event: TaskDue, now: datetime) -> Transition:
    task, deadline, next_beat = so_far.task, invoke_of(resolved).deadline, event.beat + 1
    if not task.submitted:
        # It waits for a permit, or its release died: the vendor does not work on it yet, so its time has not begun.
        return _extended(so_far, now, deadline, next_beat)
    if task.deadline_at is not None and now < task.deadline_at:
        return _extended(so_far, now, task.deadline_at - now, next_beat, in_grace=event.in_grace)
    if grace := _grace_of(event, now):
        return _extended(so_far, now, grace, next_beat, in_grace=True)
    if task.reported == "done":
        return _expired(so_far, "vendor_job_missing: it is done, but no report had the id that its results need")
    return _expired(so_far, _unheard(task, f"deadline_exceeded: no outcome within {write_duration(deadline)}"))


def _heartbeat_missed(so_far: Transition, resolved: Resolved, event: TaskDue, now: datetime) -> Transition:
    task, heartbeat = so_far.task, invoke_of(resolved).heartbeat
    if heartbeat is None or event.beat != task.beat:
        return so_far
    if grace := _grace_of(event, now):
        return so_far.then(task, Wake("heartbeat", grace, task.beat, in_grace=True))
    return _expired(so_far, _unheard(task, f"heartbeat_missed: no progress within {write_duration(heartbeat)}"))


def _status_due(so_far: Transition, resolved: Resolved, event: TaskDue, *, paused: bool) -> Transition:
    task, status = so_far.task, invoke_of(resolved).status
    if status is None or event.ask != task.ask:
        return so_far
    if paused or status_call(resolved, task.input, task.vendor_job) is None:
        return _ask_again(so_far, status.every)
    return so_far.then(task, AskStatus())


def _grace_of(event: TaskDue, now: datetime) -> timedelta | None:
    """How long the task still waits; nothing if its timer was hardly late, or if this is the end of a grace."""
    if event.in_grace or now - event.due_at <= _LATE:
        return None
    return _GRACE + min(now - event.due_at, _LONGEST_LATENESS)


def _extended(so_far: Transition, now: datetime, left: timedelta, number: int, *, in_grace: bool = False) -> Transition:
    wake = Wake("deadline", left, number, in_grace)
    return so_far.then(replace(so_far.task, deadline_at=now + left), Expect(), wake)


def _unheard(task: Submit, reason: str) -> str:
    """Why a wait ended. If the answer to the submit was lost, its outcome stays unknown."""
    return f"{OUTCOME_UNKNOWN}: {reason}" if task.reason.startswith(OUTCOME_UNKNOWN) else reason


def _expired(so_far: Transition, reason: str) -> Transition:
    return _ended(replace(so_far.task, state=TaskState.EXPIRED, reason=reason), EndVendorJob())


def _ended(task: Submit, *effects: Effect) -> Transition:
    """Nothing else that the task was to do counts any more."""
    return Transition(task, (End(), *effects))


def _heard(so_far: Transition, resolved: Resolved, event: TaskChanged) -> Transition:
    after = _known_by(so_far, resolved, event)
    after = _submitted(after, resolved, event)
    after = _reported(after, resolved, event)
    after = _status_answered(after, resolved, event)
    return _decided(after, resolved)


def _known_by(so_far: Transition, resolved: Resolved, event: TaskChanged) -> Transition:
    """Whatever came, the task waits now, under the vendor's id if that is known. A vendor that is heard of before its
    answer to the submit was recorded has the submit all the same, perhaps since long after the release."""
    task = so_far.task
    if not task.submitted:
        deadline_at = event.at + invoke_of(resolved).deadline
        task = replace(task, deadline_at=max(task.deadline_at or deadline_at, deadline_at))
    vendor_job = task.vendor_job or event.vendor_job
    reason = task.reason if task.reason.startswith(OUTCOME_UNKNOWN) else event.reason or task.reason
    waiting = replace(task, state=TaskState.WAITING, vendor_job=vendor_job, reason=reason)
    return so_far.then(waiting) if vendor_job == task.vendor_job else so_far.then(waiting, Expect())


def _submitted(so_far: Transition, resolved: Resolved, event: TaskChanged) -> Transition:
    if event.purpose != "submit" or so_far.task.submitted:
        return so_far
    invoke = invoke_of(resolved)
    left_at = event.attempt.started_at if event.attempt else None
    task = replace(so_far.task, submitted=True, submitted_at=left_at, deadline_at=event.at + invoke.deadline)
    after = so_far.then(task, Expect())
    if invoke.heartbeat is not None:
        after = after.then(task, Wake("heartbeat", invoke.heartbeat, task.beat))
    if invoke.status is not None:
        after = after.then(task, Wake("status", invoke.status.after, task.ask))
    return after


def _reported(so_far: Transition, resolved: Resolved, event: TaskChanged) -> Transition:
    """Progress extends the wait by a heartbeat; of several outcomes the first counts."""
    task, heartbeat = so_far.task, invoke_of(resolved).heartbeat
    if event.reported == "progress":
        task = replace(task, beat=task.beat + 1)
        return so_far.then(task) if heartbeat is None else so_far.then(task, Wake("heartbeat", heartbeat, task.beat))
    if event.reported is None or task.reported is not None:
        return so_far
    return so_far.then(replace(task, reported=event.reported))


def _status_answered(so_far: Transition, resolved: Resolved, event: TaskChanged) -> Transition:
    status = invoke_of(resolved).status
    return so_far if event.purpose != "status" or status is None else _ask_again(so_far, status.every)


def _ask_again(so_far: Transition, every: timedelta) -> Transition:
    task = replace(so_far.task, ask=so_far.task.ask + 1)
    return so_far.then(task, Wake("status", every, task.ask))


def _decided(so_far: Transition, resolved: Resolved) -> Transition:
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
    """The job after these of its tasks have ended, and the calls for their results, unless the job is cancelled. The
    reason names the results that cannot be asked for, so that the job does not end as completed."""
    steps = [(task.number, results_of(task, job.resolved)) for task in ended] if job.is_open else []
    planned = tuple(call for _, step in steps for call in step.calls)
    cuts = job.cuts
    for number, step in steps:
        cuts = also_cut(cuts, number, step.problem) if step.problem else cuts
    completed = sum(task.state is TaskState.COMPLETED for task in ended)
    counted = replace(
        job,
        open=job.open - len(ended) + len(planned),
        planned=job.planned + len(planned),
        completed=job.completed + completed,
        failed=job.failed + len(ended) - completed,
        cuts=cuts,
    )
    return counted, planned
