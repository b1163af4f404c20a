"""tasks.events (waiting) and tasks.due → tasks, jobs; sends callbacks.expected, timers, calls, tasks and jobs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.planner.ending import end_of
from services.planner.invoke import store
from services.planner.invoke.decide import apply_event, count
from services.planner.invoke.model import AskStatus, Effect, End, EndVendorJob, Expect, Submit, Transition, Wake
from services.planner.messages import ended, moved_task, planned_task, progressed
from services.planner.metrics import INVOCATIONS_ENDED, TASKS_PLANNED
from services.planner.model import Failures, JobRow, PlannedCall, Task, TaskRef, number_tasks
from services.planner.room import Room
from services.planner.rows import JobUpdate, count_failures, insert_tasks, lock_jobs, update_jobs
from services.planner.waiting import Wait, ask_status, end_vendor_job, end_wait, expected, timer
from shared.database.pool import Transaction
from shared.events.callbacks import TaskDue
from shared.events.envelope import Incoming
from shared.events.jobs import JobState
from shared.events.tasks import TaskChanged, TaskState
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger, task_ids
from shared.observability.metrics import vendor_label
from shared.runtime.clock import utc_now

log = get_logger(__name__)

SKIPS = frozenset(f"task.{state.value}" for state in TaskState if state is not TaskState.WAITING)
"""States that are not even decoded: only tasks that wait are followed here."""


class Counted(NamedTuple):
    """A job before and `after` some of its tasks ended, and the calls for their results."""

    job: JobRow
    after: JobRow
    planned: tuple[PlannedCall, ...]


async def follow_submits(tx: Transaction, batch: Sequence[Incoming[TaskChanged]]) -> list[Outgoing]:
    """What fetcher and gateway report about tasks that wait.

    Raises:
        TooMuchAtOnce: as `Room.take`.
    """
    events = [incoming.event for incoming in batch]
    reports = [event for event in events if event.state is TaskState.WAITING and event.service != "planner"]
    return await _take(tx, reports) if reports else []


async def wake_submits(tx: Transaction, batch: Sequence[Incoming[TaskDue]]) -> list[Outgoing]:
    """Deadlines, missed heartbeats, and the time to ask for the status."""
    return await _take(tx, [incoming.event for incoming in batch])


async def _take(tx: Transaction, events: Sequence[TaskChanged | TaskDue]) -> list[Outgoing]:
    """Jobs are locked before their tasks, as everywhere in this service. The time is taken after that, so messages are
    not dated before what the locks waited for."""
    locked = await lock_jobs(tx, sorted({event.job_id for event in events}))
    jobs = {job.id: job for job in locked.jobs}
    found = await store.find_submits(tx, sorted({event.task_id for event in events}))
    now = utc_now()
    after = {task.id: Transition(task) for task in found if task.job_id in jobs}
    for event in events:
        so_far = after.get(event.task_id)
        if so_far is not None:
            job = jobs[so_far.task.job_id]
            after[event.task_id] = apply_event(so_far, job.resolved, event, now, paused=job.state is JobState.PAUSED)
    counts = _count(jobs, after.values())
    room = Room(len(events))
    for one in counts:
        room.take(one.planned)
    calls = _calls(jobs, after.values(), now, room)
    await store.update_submits(tx, [moved.task for moved in after.values()])
    messages = [message for moved in after.values() for message in _messages(moved, jobs[moved.task.job_id], now)]
    return locked.ends + messages + calls + await _plan(tx, counts, now)


def _count(jobs: Mapping[UUID, JobRow], after: Iterable[Transition]) -> list[Counted]:
    """Each job after its ended tasks, with what follows. One whose tasks only began to wait is reported as running."""
    ends: dict[UUID, list[Submit]] = defaultdict(list)
    for moved in after:
        if End() in moved.effects:
            ends[moved.task.job_id].append(moved.task)
        elif Expect() in moved.effects and jobs[moved.task.job_id].is_open:
            ends.setdefault(moved.task.job_id, [])
    return [Counted(jobs[job_id], *count(jobs[job_id], gone)) for job_id, gone in sorted(ends.items())]


async def _plan(tx: Transaction, counts: Sequence[Counted], now: datetime) -> list[Outgoing]:
    """Plan what follows the ended tasks of each job, and see whether it is over. One that is cancelled has been
    reported, even if some of its tasks are still to be ended."""
    if not counts:
        return []
    tasks: list[tuple[str, Task]] = []
    refs: list[TaskRef] = []
    updates: list[JobUpdate] = []
    for job, counted, planned in counts:
        numbered = number_tasks(job.id, list(planned), job.planned)
        tasks += [(job.resolved.vendor, task) for task in numbered]
        refs += [task.ref(job.resolved) for task in numbered]
        end = end_of(counted)
        updates.append(
            JobUpdate(counted, end, reports_progress=end is not None or (job.is_open and job.progress_is_due))
        )
    await insert_tasks(tx, tasks)
    await update_jobs(tx, updates)
    for vendor, _ in tasks:
        TASKS_PLANNED.labels(vendor=vendor_label(vendor)).inc()
    failures = await count_failures(tx, [update.job for update in updates if update.ended])
    messages = [planned_task(ref, now) for ref in refs]
    for update in updates:
        messages += _standing(update, failures, now) if update.reports_progress else []
    return messages


def _standing(update: JobUpdate, failures: Mapping[UUID, Failures], now: datetime) -> list[Outgoing]:
    if update.ended is None:
        return [progressed(update.job, now)]
    return ended(update.job, update.ended, now, failures=failures.get(update.job.id))


def _calls(jobs: Mapping[UUID, JobRow], after: Iterable[Transition], now: datetime, room: Room) -> list[Outgoing]:
    """The calls that ask for the status or end a vendor's job, each as soon as there is room for it.

    Raises:
        TooMuchAtOnce: as `Room.take`.
    """
    calls: list[Outgoing] = []
    for moved in after:
        wait = _wait(moved.task, jobs[moved.task.job_id], now)
        asked = ask_status(wait, moved.task.ask) if AskStatus() in moved.effects else None
        abort = end_vendor_job(wait) if EndVendorJob() in moved.effects else None
        for call in (asked, abort):
            if call is not None:
                room.take_bytes(len(call.value or b""))
                calls.append(call)
    return calls


def _messages(moved: Transition, job: JobRow, now: datetime) -> list[Outgoing]:
    wait = _wait(moved.task, job, now)
    return [message for effect in moved.effects for message in _carry_out(effect, moved.task, wait, now)]


def _carry_out(effect: Effect, task: Submit, wait: Wait, now: datetime) -> list[Outgoing]:
    match effect:
        case End():
            return _ended(task, wait, now)
        case Expect():
            return [expected(wait)]
        case Wake(kind, after, number, in_grace):
            return [timer(wait, kind, now + after, number=number, in_grace=in_grace)]
        case AskStatus() | EndVendorJob():
            return []


def _ended(task: Submit, wait: Wait, now: datetime) -> list[Outgoing]:
    INVOCATIONS_ENDED.labels(vendor=vendor_label(wait.resolved.vendor), state=task.state.value).inc()
    log.info(f"invocation.{task.state.value}", **task_ids(wait.ref), reason=task.reason)
    return [moved_task(wait.ref, task.state, now, reason=task.reason), *end_wait(wait)]


def _wait(task: Submit, job: JobRow, now: datetime) -> Wait:
    return Wait(
        task.ref(job.resolved),
        resolved=job.resolved,
        input=task.input,
        deadline_at=task.deadline_at or now,
        vendor_job=task.vendor_job,
        submitted_at=task.submitted_at,
    )
