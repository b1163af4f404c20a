"""tasks.events → tasks, jobs; sends jobs.events (planned, progressed, the end) and tasks.events (planned)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from services.planner.invocation import resolve_results
from services.planner.messages import ended, moved_task, planned_task, progressed
from services.planner.metrics import TASKS_PLANNED
from services.planner.model import JobRow, Resolved, Task
from services.planner.room import Room
from services.planner.rows import (
    BLOCK,
    JobUpdate,
    cancel_planned,
    count_failures,
    insert_tasks,
    lock_jobs,
    planned_of,
    ref_of,
    update_jobs,
    wait_of,
)
from services.planner.track import store
from services.planner.track.decide import Advance, Change, PageRead, advance, digest_of, inserted, latest, stopped
from services.planner.waiting import end_wait
from shared.database.pool import Row, Transaction
from shared.events.catalogue import JOBS_EVENTS
from shared.events.envelope import Incoming
from shared.events.jobs import JobPlanned
from shared.events.tasks import TaskChanged, TaskState
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.metrics import vendor_label
from shared.runtime.clock import utc_now

SKIPS = frozenset(f"task.{state}" for state in ("planned", "released", "started", "waiting", "enqueued", "cancelled"))
"""States that are not even decoded: the planner moved the task there itself, another behaviour follows it, or nothing
depends on it. A message without its type comes through all the same, and is looked at by what is in it."""


async def track_tasks(tx: Transaction, batch: Sequence[Incoming[TaskChanged]]) -> list[Outgoing]:
    """Bring jobs and tasks up to date with what other services did, and plan what follows.

    Raises:
        TooMuchAtOnce: as `Room.take`.
    """
    events = latest(incoming.event for incoming in batch if _matters(incoming.event))
    if not events:
        return []
    locked = await lock_jobs(tx, sorted({event.job_id for event in events}))
    jobs = locked.jobs
    specifications = {job.id: job.resolved for job in jobs}
    pages = await _read_pages(tx, events, {job.id: job for job in jobs})
    moved = await store.apply_task_events(tx, events)
    changes = _changes(moved)
    room = Room(len(batch))
    advances = [advance(job, changes[job.id], pages[job.id], room) for job in jobs]
    now = utc_now()
    tasks = await _insert_following(tx, advances)
    advances = [inserted(one, len(tasks[one.job.id])) for one in advances]
    cancelled = await _cancel_needless(tx, advances, room)
    advances = [stopped(one, len(cancelled.get(one.job.id, ()))) for one in advances]
    await update_jobs(tx, [_update(one) for one in advances])
    messages = [message for one in advances for message in _report(one, tasks[one.job.id], now)]
    messages += [
        moved_task(ref_of(row, specifications[job_id]), TaskState.CANCELLED, now)
        for job_id, rows in cancelled.items()
        for row in rows
    ]
    messages += locked.ends
    messages += await _report_ends(tx, advances, events, now)
    return messages + _no_callbacks(moved, specifications, now)


def _matters(event: TaskChanged) -> bool:
    """The planner knows what it did itself, but for a task that could not be released, which is counted here. It needs
    neither the beginning of a call nor the hand-over of a page."""
    if event.service == "planner":
        return event.state is TaskState.DEAD
    return event.state not in (TaskState.STARTED, TaskState.ENQUEUED)


def _changes(moved: Sequence[Row]) -> dict[UUID, list[Change]]:
    changes: dict[UUID, list[Change]] = defaultdict(list)
    for row in moved:
        change = Change(
            number=row["number"],
            state=TaskState(row["state"]),
            records=row["records"] or 0,
            distinct=row["distinct_records"] or 0,
            leads_on=row["leads_on"],
            chained=row["chained"],
            growth=row["growth"],
            slice=row["slice"],
            is_page=row["purpose"] == "page",
            reason=row["reason"],
        )
        changes[row["job_id"]].append(change)
    return changes


async def _read_pages(
    tx: Transaction, events: Sequence[TaskChanged], jobs: Mapping[UUID, JobRow]
) -> dict[UUID, list[PageRead]]:
    """The answers that are read now, by job: each once, however often it is told. Where a job cannot be read, perhaps
    its tasks cannot be read either: they are left out."""
    told = [(event, event.facts) for event in events if event.facts is not None and event.job_id in jobs]
    digests = [digest_of(facts, jobs[event.job_id]) for event, facts in told]
    unread = await store.read_answers(tx, [event for event, _ in told], digests) if told else set()
    answers = {event.task_id: facts for event, facts in told if (event.task_id, event.round) in unread}
    pages: dict[UUID, list[PageRead]] = defaultdict(list)
    for row in await store.find_positions(tx, list(answers)) if answers else ():
        facts = answers[row["id"]]
        repeats = bool(facts.digest) and facts.digest == row["previous_digest"]
        results = _results(row, jobs[row["job_id"]].resolved)
        pages[row["job_id"]].append(PageRead(row["number"], planned_of(row), facts, repeats, results))
    return pages


def _results(row: Row, resolved: Resolved) -> Resolved | None:
    if row["slice"] is None:
        return None
    return resolve_results(resolved, from_json(row["submit_input"] or b"{}"), row["vendor_job"])


async def _insert_following(tx: Transaction, advances: Sequence[Advance]) -> dict[UUID, list[Task]]:
    """The tasks of each job that were new."""
    following = [(one.job.resolved.vendor, task) for one in advances for task in one.tasks]
    new = await insert_tasks(tx, following)
    tasks: dict[UUID, list[Task]] = defaultdict(list)
    for _, task in following:
        if task.id in new:
            tasks[task.job_id].append(task)
    return tasks


async def _cancel_needless(tx: Transaction, advances: Sequence[Advance], room: Room) -> dict[UUID, list[Row]]:
    """The planned tasks of jobs that stop, a block of each job: with each batch of events the next, until none is
    left."""
    stopping = [one.job for one in advances if one.stops]
    room.take_messages(sum(min(job.open, BLOCK) for job in stopping))
    return {job.id: await cancel_planned(tx, job) for job in stopping}


def _update(one: Advance) -> JobUpdate:
    return JobUpdate(one.job, one.ended, respecified=one.pages is not None, reports_progress=one.reports_progress)


def _report(one: Advance, tasks: Sequence[Task], now: datetime) -> list[Outgoing]:
    """What follows in the job, and where it stands, if it goes on."""
    job = one.job
    TASKS_PLANNED.labels(vendor=vendor_label(job.resolved.vendor)).inc(len(tasks))
    messages = [planned_task(task.ref(job.resolved), now) for task in tasks]
    if one.became_known or one.note:
        event = JobPlanned(
            job_id=job.id,
            tasks=job.planned,
            records=job.expected,
            all_known=one.became_known,
            note=one.note,
            at=now,
        )
        messages.append(outgoing(JOBS_EVENTS, job.id, event, at=now))
    if one.ended is None and one.reports_progress:
        messages.append(progressed(job, now))
    return messages


async def _report_ends(
    tx: Transaction, advances: Sequence[Advance], events: Sequence[TaskChanged], now: datetime
) -> list[Outgoing]:
    """The ends of jobs, with why tasks failed, and with the answer of a job of one call."""
    ends = [(one.job, one.ended) for one in advances if one.ended]
    failures = await count_failures(tx, [job for job, _ in ends])
    answers = {event.job_id: event.answer for event in events if event.answer is not None}
    return [
        message
        for job, end in ends
        for message in ended(job, end, now, failures=failures.get(job.id), answer=answers.get(job.id))
    ]


def _no_callbacks(moved: Sequence[Row], specifications: Mapping[UUID, Resolved], now: datetime) -> list[Outgoing]:
    """Submits that failed: their callbacks are no longer expected."""
    messages: list[Outgoing] = []
    for row in moved:
        resolved = specifications.get(row["job_id"])
        if resolved is not None and row["purpose"] == "submit" and TaskState(row["state"]).is_end:
            messages += end_wait(wait_of(row, resolved, row["deadline_at"] or now))
    return messages
