"""What the fetcher tells of a call. Pure; ids are derived, so that telling twice counts once."""

from dataclasses import dataclass
from datetime import datetime

from services.fetcher.call.vendor_jobs import Heard
from services.fetcher.model import Claimed
from shared.events.catalogue import DEAD, PAYLOADS_STORED, TASKS_EVENTS
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import CE_ID, CE_TYPE, Position, Record
from shared.events.payloads import PayloadStored, Pointer
from shared.events.tasks import OUTCOME_UNKNOWN, Attempt, Facts, TaskChanged, TaskState, VendorAnswer, cut_reason
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing

_WITH_REASON = frozenset({TaskState.DEAD, TaskState.FAILED, TaskState.RETRYING})


@dataclass(frozen=True, slots=True)
class Change:
    """The state that a task has now, after which attempt; what was `heard` of its vendor's job; what the vendor's
    `answer` was, where that is handed back."""

    state: TaskState
    attempt: Attempt | None = None
    facts: Facts | None = None
    records: int | None = None
    heard: Heard | None = None
    answer: VendorAnswer | None = None


def changed(call: Claimed, change: Change, now: datetime) -> Outgoing:
    """Tell a change of the call's task."""
    request = call.request
    state, attempt, heard = change.state, change.attempt, change.heard
    reason = attempt.reason if attempt and state in _WITH_REASON else ""
    event = TaskChanged(
        task_id=request.task_id,
        job_id=request.job_id,
        number=request.number,
        round=request.round,
        correlation_id=request.correlation_id,
        state=state,
        service="fetcher",
        at=now,
        reason=heard.reason if heard else reason,
        attempt=attempt,
        facts=change.facts,
        records=change.records,
        distinct=change.records,
        purpose=request.purpose if heard else None,
        vendor_job=heard.vendor_job if heard else None,
        reported=heard.reported if heard else None,
        answer=change.answer,
    )
    event_id = derived_id(state.value, call.id, call.attempt, call.claim if state is not TaskState.STORED else "")
    return outgoing(TASKS_EVENTS, request.job_id, event, id=event_id, at=now)


def stored(call: Claimed, pointer: Pointer, fetched_at: datetime, now: datetime) -> Outgoing:
    """The page, which came at `fetched_at`, waits to be processed."""
    request = call.request
    event = PayloadStored(
        task_id=request.task_id,
        job_id=request.job_id,
        number=request.number,
        round=request.round,
        correlation_id=request.correlation_id,
        vendor=request.vendor,
        payload=pointer,
        processing=request.processing,
        fetched_at=fetched_at,
    )
    return outgoing(PAYLOADS_STORED, request.task_id, event, id=derived_id("payload", call.id), at=now)


def dead(call: Claimed, reason: str, history: tuple[str, ...], now: datetime) -> Outgoing:
    """The call was given up; the request can be sent again from its original bytes."""
    origin = call.origin
    record = Record(
        position=Position(str(origin["topic"]), int(origin["partition"]), int(origin["offset"])),
        key=str(call.request.task_id).encode(),
        value=call.raw,
        headers=((CE_ID, str(call.id).encode()), (CE_TYPE, b"fetch.requested")),
        timestamp=call.created_at,
    )
    letter = DeadLetter(
        service="fetcher",
        event_id=call.id,
        delivery=int(origin["delivery"]),
        reason=reason.split(":", 1)[0],
        error=reason,
        history=history,
        job_id=call.request.job_id,
        task_id=call.request.task_id,
        at=now,
        original=Original.of(record),
    )
    event_id = derived_id("dead", call.id, letter.delivery)
    return outgoing(DEAD["fetcher"], call.request.task_id, letter, id=event_id, at=now)


def given_up(
    call: Claimed, reason: str, attempt: Attempt, now: datetime, *, unknown: bool, answer: VendorAnswer | None = None
) -> tuple[Outgoing, ...]:
    """The call will not be tried again; whoever asked for its answer hears why. A submit whose outcome is `unknown` is
    waited for like any other; a question that was not answered is asked again; what could not be ended is left to a
    person. A vendor's `answer` that is handed back is what was asked for, whatever it says: nobody has to see to it."""
    if call.request.purpose == "answer":
        answer = (answer or VendorAnswer()).model_copy(update={"reason": cut_reason(reason)})
    match call.request.purpose:
        case "submit" if unknown:
            because = reason if reason.startswith(OUTCOME_UNKNOWN) else f"{OUTCOME_UNKNOWN}: {reason}"
            return (changed(call, Change(TaskState.WAITING, attempt, heard=Heard(reason=because)), now),)
        case "status":
            return (changed(call, Change(TaskState.WAITING, attempt, heard=Heard(reason=reason)), now),)
        case "abort":
            return (dead(call, reason, (f"attempt {call.attempt}: {reason}",), now),)
        case "answer" if answer is not None and answer.status is not None:
            return (changed(call, Change(TaskState.FAILED, attempt, answer=answer), now),)
        case _:
            history = (f"attempt {call.attempt}: {reason}",)
            ended = changed(call, Change(TaskState.DEAD, attempt, answer=answer), now)
            return ended, dead(call, reason, history, now)
