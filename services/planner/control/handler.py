"""jobs.control → jobs, tasks; sends jobs.events and tasks.events, and early orders again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.planner.control import store
from services.planner.control.decide import (
    Cancel,
    Effect,
    Named,
    Redrive,
    SetState,
    effect_of,
    look_at,
    most_bytes,
    most_messages,
)
from services.planner.ending import end_of
from services.planner.messages import ended, moved_task, planned_task, progressed
from services.planner.model import JobRow, Resolved
from services.planner.room import Room
from services.planner.rows import UNREADABLE, JobUpdate, count_failures, lock_jobs, ref_of, update_jobs, wait_of
from services.planner.waiting import end_vendor_job, end_wait
from shared.database.pool import Row, Transaction
from shared.events.catalogue import JOBS_CONTROL
from shared.events.envelope import Incoming
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.ids import derived_id
from shared.messaging.handler import Again, Outgoing, Refuse, Result, outgoing
from shared.observability.logs import get_logger, ids
from shared.runtime.clock import utc_now

_WAITS = 8
_FIRST_WAIT_SECONDS = 0.5
"""An order may be ahead of its job, or of the end of its task, for as long as these wait: for configuration, for a
consumer that comes back, behind many others. The waits, each twice the last, are two minutes together."""

log = get_logger(__name__)


async def control_jobs(tx: Transaction, batch: Sequence[Incoming[JobControl]]) -> list[Result]:
    """Carry out orders in the order they came; orders are rare, so each is taken by itself. An order may overtake the
    request for its job, or the end of the task that it redrives, which stand in other topics: then it comes again
    later, and is put aside if that was in vain.

    Raises:
        TooMuchAtOnce: as `Room.take`.
    """
    locked = await lock_jobs(tx, sorted({incoming.event.job_id for incoming in batch}))
    jobs = {job.id: job for job in locked.jobs}
    now = utc_now()
    messages: list[Result] = [*locked.ends]
    known = [incoming.event for incoming in batch if incoming.event.job_id in jobs]
    # Before any order is carried out: what is logged and counted then is not undone if the batch is refused.
    room = Room(len(batch))
    room.take_messages(sum(most_messages(jobs[event.job_id], event) for event in known))
    room.take_bytes(sum(most_bytes(jobs[event.job_id], event) for event in known))
    for incoming in batch:
        job = jobs.get(incoming.event.job_id)
        if incoming.event.job_id in locked.unreadable:
            messages += await _order_for_unreadable(tx, incoming)
            continue
        if job is None:
            messages.append(await _wait_for_job(tx, incoming))
            continue
        if incoming.delivery:
            await store.delete_early_order(tx, incoming.id)
        effect, put_off = await _find_effect(tx, incoming, job)
        messages += put_off
        carried = None if effect is None else await _carry_out(tx, incoming, effect, now)
        log.info(
            f"job.{incoming.event.action}",
            **ids(job_id=job.id, correlation_id=job.resolved.correlation_id),
            effect="none" if carried is None else "done",
        )
        if carried is not None:
            jobs[incoming.event.job_id], caused = carried
            messages += caused
    return messages


async def _find_effect(
    tx: Transaction, incoming: Incoming[JobControl], job: JobRow
) -> tuple[Effect | None, list[Result]]:
    """What the order is to do now, and what it can do only later."""
    effect = effect_of(job, incoming.event)
    if not isinstance(effect, Redrive) or not effect.only:
        return effect, []
    named = look_at(incoming.event, await store.find_tasks(tx, job.id, effect.only))
    return replace(effect, only=named.ready) if named.ready else None, _put_off(incoming, named)


async def _order_for_unreadable(tx: Transaction, incoming: Incoming[JobControl]) -> list[Result]:
    """A job that cannot be read is over, which is what a cancel wants; only its tasks cannot be planned again."""
    if incoming.delivery:
        await store.delete_early_order(tx, incoming.id)
    if incoming.event.action != "redrive":
        return []
    return [Refuse(incoming, "specification_unreadable", UNREADABLE)]


async def _wait_for_job(tx: Transaction, incoming: Incoming[JobControl]) -> Result:
    """A cancel or pause may arrive before its job. The job then starts paused and stays so until the order is delivered
    again."""
    job_id, action = incoming.event.job_id, incoming.event.action
    result = _later(incoming, "job_unknown", f"no job {job_id} is there to {action}")
    if isinstance(result, Refuse):
        await store.delete_early_order(tx, incoming.id)
    elif action in ("cancel", "pause"):
        await store.insert_early_order(tx, job_id, incoming.id)
    return result


def _put_off(incoming: Incoming[JobControl], named: Named) -> list[Result]:
    """What cannot be redriven yet is ordered again; of several tasks each by itself, or the others would be redriven
    with it once more."""
    early, unknown = named.early, named.unknown
    if len(incoming.event.task_ids) > 1:
        return [_alone(incoming, task_id) for task_id in (*early, *unknown)]
    if early:
        error = f"task {early[0]} has not failed, as far as the planner knows"
        return [_later(incoming, "task_open", error, task_id=early[0])]
    if unknown:
        return [Refuse(incoming, "task_unknown", f"the job has no task {unknown[0]}", task_id=unknown[0])]
    return []


def _alone(incoming: Incoming[JobControl], task_id: UUID) -> Outgoing:
    event = incoming.event.model_copy(update={"task_ids": (task_id,)})
    return outgoing(JOBS_CONTROL, event.job_id, event, id=derived_id("alone", incoming.id, incoming.delivery, task_id))


def _later(incoming: Incoming[JobControl], reason: str, error: str, *, task_id: UUID | None = None) -> Again | Refuse:
    if incoming.repeats < _WAITS:
        return Again(incoming, _FIRST_WAIT_SECONDS * 2**incoming.repeats, reason)
    log.warning("order.refused", job_id=str(incoming.event.job_id), action=incoming.event.action, reason=reason)
    return Refuse(incoming, reason, error, task_id=task_id)


async def _carry_out(
    tx: Transaction, incoming: Incoming[JobControl], effect: Effect, now: datetime
) -> tuple[JobRow, list[Outgoing]] | None:
    """The job afterwards and its messages, or nothing if none of the tasks to redrive has failed."""
    match effect:
        case Cancel():
            return await _cancel(tx, incoming, effect, now)
        case Redrive():
            return await _redrive(tx, incoming, effect, now)
        case SetState(job):
            await store.set_state(tx, job)
            return job, [progressed(job, now)]


async def _redrive(
    tx: Transaction, incoming: Incoming[JobControl], effect: Redrive, now: datetime
) -> tuple[JobRow, list[Outgoing]] | None:
    """Of many failed tasks each order plans a block again, and sends another for the rest. Until the last of them the
    job is not over, whatever ends meanwhile."""
    job, task_ids = effect.job, list(effect.only)
    if not effect.only:
        task_ids, last = await store.find_failed(tx, job, effect.after)
        job = replace(job, redriven_to=last)
    tasks = await store.redrive_tasks(tx, job, task_ids)
    if not tasks and effect.after is None:
        return None
    job = await _reopened(tx, job, tasks)
    end = end_of(job)
    await update_jobs(tx, [JobUpdate(job, end)])
    if end is not None:
        failures = await count_failures(tx, [job])
        return replace(job, state=end), ended(job, end, now, failures=failures.get(job.id))
    messages = [planned_task(ref_of(task, job.resolved), now) for task in tasks]
    messages.append(progressed(job, now))
    if not effect.only and job.redriven_to is not None:
        messages.append(_continue_order(incoming, JobControl(job_id=job.id, action="redrive", after=job.redriven_to)))
    return job, messages


async def _reopened(tx: Transaction, job: JobRow, tasks: Sequence[Row]) -> JobRow:
    """The job with these tasks planned again: what their answers lead to will follow."""
    resumed = {task["slice"] for task in tasks if task["leads_on"] and task["slice"] is not None}
    leads_on = any(task["leads_on"] and task["slice"] is None for task in tasks)
    cuts = {submit: why for submit, why in job.cuts.items() if submit not in resumed}
    return replace(
        job,
        open=job.open + len(tasks),
        failed=job.failed - len(tasks),
        cuts=cuts or (await store.find_cut(tx, job) if resumed else {}),
        discovery_over=job.discovery_over and not leads_on,
    )


async def _cancel(
    tx: Transaction, incoming: Incoming[JobControl], effect: Cancel, now: datetime
) -> tuple[JobRow, list[Outgoing]]:
    """The job is over at once, with all that is open. Of many tasks each order ends a block, and sends another for the
    rest: the end of a job of a million tasks does not wait, and no batch of messages is that large."""
    tasks, after = await store.cancel_tasks(tx, effect)
    job = await store.close_job(tx, effect.job, len(tasks))
    messages = [message for task in tasks for message in _cancelled(task, job.resolved, now)]
    if effect.ends:
        failures = await count_failures(tx, [job])
        over = replace(job, open=0, cancelled=job.cancelled + job.open)
        messages += ended(over, JobState.CANCELLED, now, failures=failures.get(job.id))
    if tasks and job.open:
        messages.append(_continue_order(incoming, JobControl(job_id=job.id, action="cancel", after=after)))
    return job, messages


def _continue_order(incoming: Incoming[JobControl], order: JobControl) -> Outgoing:
    """The order for the rest, where only a block has been carried out."""
    return outgoing(JOBS_CONTROL, order.job_id, order, id=derived_id("rest", incoming.id, incoming.delivery))


def _cancelled(row: Row, resolved: Resolved, now: datetime) -> list[Outgoing]:
    """The callback of a submit that went out is no longer expected, and its vendor's job may end."""
    moved = moved_task(ref_of(row, resolved), TaskState.CANCELLED, now)
    if row["input"] is None:
        return [moved]
    wait = wait_of(row, resolved, row["deadline_at"])
    abort = end_vendor_job(wait)
    return [moved, *end_wait(wait), *([] if abort is None else [abort])]
