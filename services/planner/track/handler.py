"""tasks.events → tasks, jobs; tells jobs.events (planned, progressed, the end) and tasks.events (planned)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from services.planner.ending import end_of
from services.planner.invocation import walk_of
from services.planner.metrics import TASKS_PLANNED
from services.planner.model import JobRow, Planned, Resolved, Task, number_tasks
from services.planner.rows import JobUpdate, count_failures, insert_tasks, lock_jobs, planned_of, update_jobs
from services.planner.telling import PROGRESS_SECONDS, ended, planned_task, progressed
from services.planner.track import store
from services.planner.track.decide import Advance, Change, PageRead, Submit, advance, latest, loops
from services.planner.waiting import Waiting, nobody_waits
from shared.database.pool import Row, Transaction
from shared.events.catalogue import JOBS_EVENTS
from shared.events.envelope import Incoming
from shared.events.jobs import JobPlanned
from shared.events.tasks import Facts, TaskChanged, TaskState, VendorAnswer
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.metrics import vendor_label
from shared.runtime.clock import utc_now

SKIPS = frozenset(f"task.{state}" for state in ("planned", "released", "started", "waiting", "enqueued", "cancelled"))
"""States that are not even decoded: the planner moved the task there itself, another behaviour follows it, or nothing
depends on it. A message without its type comes through all the same, and is looked at by what is in it."""


async def track_tasks(tx: Transaction, batch: Sequence[Incoming[TaskChanged]]) -> list[Outgoing]:
    """Bring jobs and tasks up to date with what other services did."""
    events = latest(incoming.event for incoming in batch if _matters(incoming.event))
    if not events:
        return []
    jobs = await lock_jobs(tx, sorted({event.job_id for event in events}))
    changes = await _apply(tx, events)
    told = await _told(tx, events, {job.id: job.resolved for job in jobs})
    advances = [advance(job, changes[job.id], told[job.id]) for job in jobs]
    answers = {event.job_id: event.answer for event in events if event.answer is not None}
    return [
        *await _store(tx, advances, answers, utc_now()),
        *(over for job in jobs for over in _over(job, changes[job.id])),
    ]


def _matters(event: TaskChanged) -> bool:
    """The planner knows what it did itself, but for a task that could not be released, which is counted here. It needs
    neither the beginning of a call nor the hand-over of a page."""
    if event.service == "planner":
        return event.state is TaskState.DEAD
    return event.state not in (TaskState.STARTED, TaskState.ENQUEUED)


async def _apply(tx: Transaction, events: Sequence[TaskChanged]) -> dict[UUID, list[Change]]:
    changes: dict[UUID, list[Change]] = defaultdict(list)
    for row in await store.apply_task_events(tx, events):
        change = Change(
            number=row["number"],
            state=TaskState(row["state"]),
            records=row["records"] or 0,
            distinct=row["distinct_records"] or 0,
            leads_on=row["leads_on"],
            growth=row["growth"],
            reason=row["reason"],
            submit=_submit(row) if row["purpose"] == "submit" else None,
        )
        changes[row["job_id"]].append(change)
    return changes


def _submit(row: Row) -> Submit:
    return Submit(row["id"], row["round"], row["deadline_at"])


def _over(job: JobRow, changes: Sequence[Change]) -> list[Outgoing]:
    """Submits that failed: nobody waits for their callbacks any more."""
    messages: list[Outgoing] = []
    for change in changes:
        if change.submit is not None and change.state.is_end:
            submit = change.submit
            waiting = Waiting(
                task_id=submit.task_id,
                job_id=job.id,
                number=change.number,
                round=submit.round,
                resolved=job.resolved,
                input={},
                deadline_at=submit.deadline_at or utc_now(),
            )
            messages += nobody_waits(waiting)
    return messages


async def _told(
    tx: Transaction, events: Sequence[TaskChanged], jobs: Mapping[UUID, Resolved]
) -> dict[UUID, list[PageRead]]:
    facts: dict[UUID, Facts] = {event.task_id: event.facts for event in events if event.facts is not None}
    told: dict[UUID, list[PageRead]] = defaultdict(list)
    if facts:
        for row in await store.find_positions(tx, list(facts)):
            found = facts[row["id"]]
            repeats = bool(found.digest) and found.digest == row["previous_digest"]
            walk = _walk(row, jobs.get(row["job_id"]))
            told[row["job_id"]].append(PageRead(planned_of(row), found, repeats, walk))
    return told


def _walk(row: Row, resolved: Resolved | None) -> Resolved | None:
    if row["slice"] is None or resolved is None:
        return None
    return walk_of(resolved, from_json(row["submit_input"] or b"{}"), row["vendor_job"])


async def _store(
    tx: Transaction, advances: Sequence[Advance], answers: Mapping[UUID, VendorAnswer], now: datetime
) -> list[Outgoing]:
    wanted = [(result, task) for result in advances for task in _number(result.job, result.planned)]
    new = await insert_tasks(tx, [(result.job.resolved.vendor, task) for result, task in wanted])
    lost: dict[UUID, int] = defaultdict(int)
    planned: dict[UUID, list[Task]] = defaultdict(list)
    for _, task in wanted:
        if task.id in new:
            planned[task.job_id].append(task)
        else:
            lost[task.job_id] += 1
    results = [_without_lost(result, lost[result.job.id]) for result in advances]
    telling = [_tells(result) for result in results]
    await update_jobs(
        tx,
        [
            JobUpdate(result.job, result.ended, respecified=result.pages is not None, tells=tells)
            for result, tells in zip(results, telling, strict=True)
        ],
    )
    failures = await count_failures(tx, [result.job for result in results if result.ended])
    messages: list[Outgoing] = []
    for result, tells in zip(results, telling, strict=True):
        job = result.job
        messages += _tell(result, planned[job.id], now, tells=tells)
        if result.ended is not None:
            messages += ended(job, result.ended, now, failures=failures.get(job.id, ()), answer=answers.get(job.id))
    return messages


def _tells(result: Advance) -> bool:
    """Not of a job that was over before: who hears of progress after the end takes the job for running again."""
    return result.ended is not None or (result.job.is_open and result.job.since_progress > PROGRESS_SECONDS)


def _number(job: JobRow, planned: Sequence[Planned]) -> list[Task]:
    return number_tasks(job.id, list(planned), job.planned - len(planned))


def _without_lost(result: Advance, lost: int) -> Advance:
    if not lost:
        return result
    job = loops(result.job, lost)
    return replace(result, job=job, ended=end_of(job))


def _tell(result: Advance, tasks: Sequence[Task], now: datetime, *, tells: bool) -> list[Outgoing]:
    job = result.job
    messages = [planned_task(task, now) for task in tasks]
    TASKS_PLANNED.labels(vendor=vendor_label(job.resolved.vendor)).inc(len(tasks))
    if result.became_known or result.note:
        event = JobPlanned(
            job_id=job.id,
            tasks=job.planned,
            records=job.expected,
            all_known=result.became_known,
            note=result.note,
            at=now,
        )
        messages.append(outgoing(JOBS_EVENTS, job.id, event, at=now))
    if result.ended is None and tells:
        messages.append(progressed(job, now))
    return messages
