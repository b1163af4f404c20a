"""What a waiting task asks of others: callbacks to be expected, timers, questions about the status, an end. Pure.

The ids of timers and calls are derived, so that asking twice counts once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.planner.invocation import abort_call, outcome_of_status, status_call
from services.planner.model import Resolved
from shared.errors import Rejected
from shared.events.callbacks import CallbackExpected, TaskDue
from shared.events.catalogue import CALLBACKS_EXPECTED, FETCH_REQUESTED, TASKS_DUE, TIMERS_REQUESTED
from shared.events.tasks import Call, FetchRequested
from shared.events.timers import TimerRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.specification.values import Scalar

DueKind = Literal["deadline", "heartbeat", "status"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submit in its round, as far as others are concerned."""

    task_id: UUID
    job_id: UUID
    number: int
    round: int
    resolved: Resolved
    input: Mapping[str, Scalar]
    deadline_at: datetime
    vendor_job: str | None = None


def expected(task: Waiting, *, over: bool = False, id: UUID | None = None) -> Outgoing:
    """A callback is expected, or (`over`) not any more."""
    event = CallbackExpected(
        task_id=task.task_id,
        job_id=task.job_id,
        number=task.number,
        round=task.round,
        vendor=task.resolved.vendor,
        rules=task.resolved.callbacks,
        deadline_at=task.deadline_at,
        vendor_job=task.vendor_job,
        over=over,
    )
    return outgoing(CALLBACKS_EXPECTED, task.task_id, event, id=id)


def first_expected(task: Waiting) -> Outgoing:
    """The same before the submit goes out; told twice it is one event."""
    return expected(task, id=derived_id("expected", task.task_id, task.round))


def timer(task: Waiting, kind: DueKind, due_at: datetime, *, number: int = 0) -> Outgoing:
    """Wake the task then. `number` is its beat or ask."""
    due = TaskDue(
        task_id=task.task_id,
        job_id=task.job_id,
        round=task.round,
        kind=kind,
        beat=number if kind != "status" else 0,
        ask=number if kind == "status" else 0,
    )
    timer_id = derived_id("due", kind, task.task_id, task.round, number)
    event = TimerRequested(
        timer_id=timer_id,
        due_at=due_at,
        topic=TASKS_DUE.name,
        key=str(task.job_id),
        ce_type_of=due.ce_type,
        value=due.model_dump_json(),
    )
    return outgoing(TIMERS_REQUESTED, timer_id, event, id=derived_id("set", timer_id))


def no_deadline(task: Waiting) -> Outgoing:
    """The wait is over before its deadline."""
    timer_id = derived_id("due", "deadline", task.task_id, task.round, 0)
    event = TimerRequested(timer_id=timer_id, action="cancel")
    return outgoing(TIMERS_REQUESTED, timer_id, event, id=derived_id("cancel", timer_id))


def nobody_waits(task: Waiting) -> list[Outgoing]:
    """The wait is over: its callback is not expected any more, and its deadline not needed."""
    return [expected(task, over=True), no_deadline(task)]


def ask_status(task: Waiting, ask: int) -> Outgoing | None:
    """Ask the vendor for the status, if that is possible already."""
    call = status_call(task.resolved, task.input, task.vendor_job)
    return None if call is None else _fetch(task, call, "status", f"status {ask}")


def end_vendor_job(task: Waiting) -> Outgoing | None:
    """Tell the vendor that nobody waits any more, if it wants to know."""
    call = abort_call(task.resolved, task.input, task.vendor_job)
    return None if call is None else _fetch(task, call, "abort", "abort")


def _fetch(task: Waiting, call: Call, purpose: Literal["status", "abort"], what: str) -> Outgoing | None:
    """Nothing where the vendor's own id of its job made the call too large: what else is told must not wait for it."""
    event = FetchRequested(
        task_id=task.task_id,
        job_id=task.job_id,
        number=task.number,
        round=task.round,
        vendor=task.resolved.vendor,
        purpose=purpose,
        call=call,
        status=outcome_of_status(task.resolved) if purpose == "status" else None,
        processing=task.resolved.processing,
        priority=task.resolved.priority,
    )
    try:
        return outgoing(FETCH_REQUESTED, task.task_id, event, id=derived_id(what, task.task_id, task.round))
    except Rejected:
        return None
