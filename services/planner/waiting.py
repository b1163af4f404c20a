"""What a waiting task asks of others: callbacks to be expected, timers, questions about the status, an end. Pure.

The ids of timers and calls are derived, so that asking twice counts once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.planner.invocation import abort_call, outcome_of_status, status_call
from services.planner.model import Resolved, TaskRef
from shared.errors import Rejected
from shared.events.callbacks import CallbackExpected, TaskDue
from shared.events.catalogue import CALLBACKS_EXPECTED, FETCH_REQUESTED, TASKS_DUE, TIMERS_REQUESTED
from shared.events.tasks import Call, FetchRequested
from shared.events.timers import TimerRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.specification.scalars import Scalar

DueKind = Literal["deadline", "heartbeat", "status"]


@dataclass(frozen=True, slots=True)
class Wait:
    """A submit in its round, as far as others are concerned."""

    ref: TaskRef
    resolved: Resolved
    input: Mapping[str, Scalar]
    deadline_at: datetime
    vendor_job: str | None = None
    submitted_at: datetime | None = None


def expected(wait: Wait, *, over: bool = False, id: UUID | None = None) -> Outgoing:
    """A callback is expected, or (`over`) not any more."""
    event = CallbackExpected(
        **wait.ref._asdict(),
        vendor=wait.resolved.vendor,
        rules=wait.resolved.callbacks,
        deadline_at=wait.deadline_at,
        vendor_job=wait.vendor_job,
        submitted_at=wait.submitted_at,
        over=over,
    )
    return outgoing(CALLBACKS_EXPECTED, wait.ref.task_id, event, id=id)


def first_expected(wait: Wait) -> Outgoing:
    """The same before the submit goes out; sent twice it is one event."""
    return expected(wait, id=derived_id("expected", wait.ref.task_id, wait.ref.round))


def timer(wait: Wait, kind: DueKind, due_at: datetime, *, number: int = 0, in_grace: bool = False) -> Outgoing:
    """Wake the task then. `number` is its beat or ask; `in_grace`: the timer of this number came late."""
    due = TaskDue(
        task_id=wait.ref.task_id,
        job_id=wait.ref.job_id,
        round=wait.ref.round,
        kind=kind,
        beat=number if kind != "status" else 0,
        ask=number if kind == "status" else 0,
        due_at=due_at,
        in_grace=in_grace,
    )
    timer_id = derived_id("due", kind, wait.ref.task_id, wait.ref.round, number, *(["grace"] if in_grace else []))
    event = TimerRequested(
        timer_id=timer_id,
        due_at=due_at,
        topic=TASKS_DUE.name,
        key=str(wait.ref.job_id),
        ce_type_of=due.ce_type,
        value=due.model_dump_json(),
    )
    return outgoing(TIMERS_REQUESTED, timer_id, event, id=derived_id("set", timer_id))


def no_deadline(wait: Wait) -> Outgoing:
    """The wait is over before its deadline."""
    timer_id = derived_id("due", "deadline", wait.ref.task_id, wait.ref.round, 0)
    event = TimerRequested(timer_id=timer_id, action="cancel")
    return outgoing(TIMERS_REQUESTED, timer_id, event, id=derived_id("cancel", timer_id))


def end_wait(wait: Wait) -> list[Outgoing]:
    """The wait is over: its callback is not expected any more, and its deadline not needed."""
    return [expected(wait, over=True), no_deadline(wait)]


def ask_status(wait: Wait, ask: int) -> Outgoing | None:
    """Ask the vendor for the status, if that is possible already."""
    call = status_call(wait.resolved, wait.input, wait.vendor_job)
    return None if call is None else _fetch(wait, call, "status", f"status {ask}")


def end_vendor_job(wait: Wait) -> Outgoing | None:
    """End the vendor's job, if the source has an `abort`."""
    call = abort_call(wait.resolved, wait.input, wait.vendor_job)
    return None if call is None else _fetch(wait, call, "abort", "abort")


def _fetch(wait: Wait, call: Call, purpose: Literal["status", "abort"], what: str) -> Outgoing | None:
    """Nothing where the vendor's own id of its job made the call too large: other messages must not wait for it."""
    event = FetchRequested(
        **wait.ref._asdict(),
        vendor=wait.resolved.vendor,
        purpose=purpose,
        call=call,
        status=outcome_of_status(wait.resolved) if purpose == "status" else None,
        processing=wait.resolved.processing,
        priority=wait.resolved.priority,
    )
    task_id = wait.ref.task_id
    try:
        return outgoing(FETCH_REQUESTED, task_id, event, id=derived_id(what, task_id, wait.ref.round))
    except Rejected:
        return None
