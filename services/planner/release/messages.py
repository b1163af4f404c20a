"""The messages of a task that goes out, or cannot."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from services.planner.invocation import invoke_of
from services.planner.messages import moved_task
from services.planner.model import PlannedCall, Resolved, TaskRef
from services.planner.placeholders import is_template
from services.planner.rows import UNREADABLE, planned_of, ref_of, wait_of
from services.planner.single import answer_of
from services.planner.waiting import Wait, first_expected, timer
from shared.database.pool import Row
from shared.errors import Rejected
from shared.events.catalogue import FETCH_REQUESTED
from shared.events.tasks import FactsWanted, FetchRequested, SubmitWanted, TaskState
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.logs import get_logger, task_ids
from shared.specification.invoke import IN_SUBMIT

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Released:
    """The messages of a task that goes out, `before` it and with it, and the end of its wait, if it is to wait."""

    task_id: UUID
    before: list[Outgoing]
    messages: list[Outgoing]
    deadline_at: datetime | None = None
    goes_out: bool = True


def release(row: Row, resolved: Resolved, now: datetime) -> Released:
    """A call that cannot be sent fails its task, and holds back no other: all vendors share this transaction."""
    ref = ref_of(row, resolved)
    try:
        planned = planned_of(row)
        submit = None
        if planned.purpose == "submit":
            submit = wait_of(row, resolved, now + invoke_of(resolved).deadline)
        before = [] if submit is None else [first_expected(submit), timer(submit, "deadline", submit.deadline_at)]
        messages = [_moved(ref, TaskState.RELEASED, now), _fetch(ref, planned, resolved, submit, now)]
        return Released(row["id"], before, messages, None if submit is None else submit.deadline_at)
    except Rejected as error:
        reason = f"{error.reason}: {error}"
    except ValidationError:
        reason = UNREADABLE
    log.error("task.unreleasable", **task_ids(ref), reason=reason)
    return Released(row["id"], [], [_moved(ref, TaskState.DEAD, now, reason)], goes_out=False)


def _moved(ref: TaskRef, state: TaskState, now: datetime, reason: str = "") -> Outgoing:
    return moved_task(ref, state, now, reason=reason, id=derived_id(state.value, ref.task_id, ref.round))


def _fetch(ref: TaskRef, planned: PlannedCall, resolved: Resolved, submit: Wait | None, now: datetime) -> Outgoing:
    event = FetchRequested(
        **ref._asdict(),
        vendor=resolved.vendor,
        base_url=resolved.base_url,
        purpose=planned.purpose,
        call=planned.call,
        facts=_facts_wanted(planned),
        submit=None if submit is None else _wanted(resolved),
        answer=answer_of(resolved),
        retry=resolved.single.retry if resolved.single else None,
        sign=resolved.single.secret if resolved.single else None,
        processing=resolved.processing.model_copy(update={"expects_list": planned.expects_list}),
        priority=resolved.priority,
    )
    return outgoing(FETCH_REQUESTED, ref.task_id, event, id=derived_id("fetch", ref.task_id, ref.round), at=now)


def _facts_wanted(planned: PlannedCall) -> FactsWanted | None:
    if planned.wanted is None or not planned.expects_list:
        return planned.wanted
    return planned.wanted.model_copy(update={"expects_list": True})


def _wanted(resolved: Resolved) -> SubmitWanted:
    invoke = invoke_of(resolved)
    return SubmitWanted(
        vendor_job=invoke.vendor_job,
        deadline=invoke.deadline,
        template=is_template(invoke.submit, IN_SUBMIT),
    )
