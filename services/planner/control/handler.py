"""jobs.control → jobs, tasks; tells jobs.events and tasks.events."""

from collections.abc import Sequence
from datetime import datetime

from services.planner.control import store
from services.planner.control.decide import Ordered, order
from services.planner.model import JobRow, Planned, Resolved, Task
from services.planner.rows import count_failures, lock_jobs, planned_of
from services.planner.telling import ended, moved_task, planned_task, progressed
from services.planner.waiting import Waiting, end_vendor_job, expected, no_deadline
from shared.database.pool import Transaction
from shared.events.envelope import Incoming
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import Call, TaskState
from shared.messaging.handler import Again, Outgoing, Refuse, Result
from shared.observability.logs import get_logger
from shared.runtime.clock import utc_now

_WAITS = 8
_FIRST_WAIT_SECONDS = 0.5
"""An order may be ahead of its job for as long as jobs wait to be accepted: for configuration, for a consumer that
comes back, behind many others. The waits, each twice the last, are two minutes together."""
_EARLY_DELIVERIES = 3
_EARLY_SECONDS = 2.0

log = get_logger(__name__)


async def control_jobs(tx: Transaction, batch: Sequence[Incoming[JobControl]]) -> list[Result]:
    """Carry out orders in the order they came; orders are rare, so each is taken by itself. An order may overtake the
    request for its job, or the end of the task that it redrives, which stand in other topics: then it comes again
    later, and is put aside if that was in vain."""
    jobs = {job.id: job for job in await lock_jobs(tx, sorted({incoming.event.job_id for incoming in batch}))}
    now = utc_now()
    messages: list[Result] = []
    for incoming in batch:
        job = jobs.get(incoming.event.job_id)
        if job is None:
            messages.append(await _wait_for_job(tx, incoming))
            continue
        if incoming.delivery:
            await store.let_go(tx, incoming.id)
        ordered = order(job, incoming.event)
        carried = await _carry_out(tx, ordered, now) if ordered else None
        log.info(
            f"job.{incoming.event.action}",
            job_id=str(incoming.event.job_id),
            effect="none" if carried is None else "done",
        )
        if carried is not None:
            jobs[incoming.event.job_id], told = carried
            messages += told
        elif incoming.event.task_ids and incoming.delivery < _EARLY_DELIVERIES:
            messages.append(Again(incoming, _EARLY_SECONDS, "task_open"))
    return messages


async def _wait_for_job(tx: Transaction, incoming: Incoming[JobControl]) -> Result:
    """What is to stop a job holds it as soon as it comes: no call leaves before the order is there again."""
    job_id, action = incoming.event.job_id, incoming.event.action
    result = _later(incoming, "job_unknown", f"no job {job_id} is there to {action}")
    if isinstance(result, Refuse):
        await store.let_go(tx, incoming.id)
    elif action in ("cancel", "pause"):
        await store.hold_job(tx, job_id, incoming.id)
    return result


def _later(incoming: Incoming[JobControl], reason: str, error: str) -> Again | Refuse:
    if incoming.delivery < _WAITS:
        return Again(incoming, _FIRST_WAIT_SECONDS * 2**incoming.delivery, reason)
    log.warning("order.refused", job_id=str(incoming.event.job_id), action=incoming.event.action, reason=reason)
    return Refuse(incoming, reason, error)


async def _carry_out(tx: Transaction, ordered: Ordered, now: datetime) -> tuple[JobRow, list[Outgoing]] | None:
    """The job afterwards and what to tell, or nothing if none of the tasks to redrive has failed."""
    if ordered.cancels:
        cancelled = await store.cancel_tasks(tx, ordered.job)
        job = await store.close_job(tx, ordered.job, len(cancelled))
        told = [message for task in cancelled for message in (_cancelled(task, now), *_given_up(task, job.resolved))]
        failures = await count_failures(tx, [job])
        return job, [*told, *ended(job, JobState.CANCELLED, now, failures=failures.get(job.id, ()))]
    if ordered.redrives:
        again = await store.redrive_tasks(tx, ordered.job, ordered.only)
        if not again:
            return None
        job = await store.reopen_job(tx, ordered.job, len(again))
        told = [planned_task(_task(task), now, round=task["round"]) for task in again]
        return job, [*told, progressed(job, now)]
    await store.set_state(tx, ordered.job)
    return ordered.job, [progressed(ordered.job, now)]


def _task(row: store.Row) -> Task:
    return Task(row["id"], row["job_id"], row["number"], Planned(Call()))


def _cancelled(row: store.Row, now: datetime) -> Outgoing:
    return moved_task(row["id"], row["job_id"], row["number"], row["round"], TaskState.CANCELLED, now)


def _given_up(row: store.Row, resolved: Resolved) -> list[Outgoing]:
    """A submit that went out: nobody waits for its callback any more, and its vendor's job may end."""
    if row["purpose"] != "submit" or row["deadline_at"] is None:
        return []
    waiting = Waiting(
        task_id=row["id"],
        job_id=row["job_id"],
        number=row["number"],
        round=row["round"],
        resolved=resolved,
        input=planned_of(row).input or {},
        deadline_at=row["deadline_at"],
        vendor_job=row["vendor_job"],
    )
    abort = end_vendor_job(waiting)
    return [expected(waiting, over=True), no_deadline(waiting), *([] if abort is None else [abort])]
