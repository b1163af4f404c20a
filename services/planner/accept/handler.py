"""jobs.requested → jobs and first tasks; sends jobs.events and tasks.events."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from services.planner.accept import store
from services.planner.accept.decide import Admitted, Configured, Refused, Unknown, admit, names_in
from services.planner.configuration_lag import look_again
from services.planner.messages import planned_task
from services.planner.metrics import TASKS_PLANNED
from services.planner.room import Room
from shared.database.pool import Transaction
from shared.errors import Problem
from shared.events.catalogue import JOBS_EVENTS
from shared.events.envelope import Incoming
from shared.events.jobs import JobAccepted, JobPlanned, JobRejected, JobRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, Refuse, Result, outgoing
from shared.observability.logs import get_logger, ids
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic, utc_now

log = get_logger(__name__)

_Request = Incoming[JobRequested]
_Decided = tuple[_Request, Admitted | Refused | Unknown]


async def accept_jobs(tx: Transaction, batch: Sequence[Incoming[JobRequested]]) -> list[Result]:
    """Admit or refuse each requested job. The same job asked for twice is one job: the first counts. Requests are
    checked in a thread, since one with many inputs takes seconds.

    Raises:
        TooMuchAtOnce: as `Room.take` and `Room.check_seconds`.
    """
    now = utc_now()
    known = await store.find_configuration(tx, [names_in(incoming.event.document) for incoming in batch])
    admitted: dict[UUID, Admitted] = {}
    refused: list[tuple[_Request, Refused | Unknown]] = []
    for incoming, decided in await asyncio.to_thread(_admit_each, batch, known):
        if isinstance(decided, Admitted):
            admitted.setdefault(decided.job_id, decided)
        else:
            refused.append((incoming, decided))
    return [*await _insert(tx, admitted, now), *await _refuse(tx, refused, now)]


def _admit_each(batch: Sequence[_Request], known: Configured) -> list[_Decided]:
    room, began = Room(len(batch)), monotonic()
    decided: list[_Decided] = []
    for incoming in batch:
        room.check_seconds(monotonic() - began)
        decided.append((incoming, _admit(incoming, known)))
        if isinstance(job := decided[-1][1], Admitted):
            room.take(job.step.calls)
    return decided


def _admit(incoming: _Request, known: Configured) -> Admitted | Refused | Unknown:
    event = incoming.event
    return admit(_job_of(incoming), event.document, known, event.correlation_id)


def _job_of(incoming: Incoming[JobRequested]) -> UUID:
    return incoming.event.id or incoming.id


async def _insert(tx: Transaction, admitted: Mapping[UUID, Admitted], now: datetime) -> list[Outgoing]:
    """Write down those that are new, and report them."""
    new = await store.insert_jobs(tx, list(admitted.values()))
    return [message for job_id in new for message in _report(admitted[job_id], now)]


async def _refuse(
    tx: Transaction, refused: Sequence[tuple[_Request, Refused | Unknown]], now: datetime
) -> list[Result]:
    """Reject what has mistakes, and look again at what is not configured yet. A job that is there already stays as it
    is, whatever became of its source since."""
    known = await store.find_jobs(tx, [_job_of(incoming) for incoming, _ in refused]) if refused else frozenset()
    results: list[Result] = []
    for incoming, decided in refused:
        job_id = _job_of(incoming)
        if job_id in known:
            continue
        match decided:
            case Refused(problems):
                results += _reject(incoming, job_id, "schema_invalid", list(problems), now)
            case Unknown(problem):
                again = look_again(incoming)
                results += [again] if again else _reject(incoming, job_id, "config_missing", [problem], now)
    return results


async def give_up_job(tx: Transaction, incoming: Incoming[JobRequested], reason: str) -> list[Outgoing]:
    """The shell gave a request up: its job is rejected, unless an earlier request made one."""
    job_id = _job_of(incoming)
    if await store.find_jobs(tx, [job_id]):
        return []
    problem = Problem("", f"{reason}: the job could not be planned")
    return [_rejected(incoming, [problem], utc_now(), id=derived_id("buried", incoming.id, incoming.delivery))]


def _report(job: Admitted, now: datetime) -> list[Outgoing]:
    resolved = job.resolved
    named = ids(job_id=job.job_id, correlation_id=resolved.correlation_id)
    log.info("job.accepted", **named, vendor=resolved.vendor, source=resolved.source)
    TASKS_PLANNED.labels(vendor=vendor_label(resolved.vendor)).inc(len(job.tasks))
    accepted = JobAccepted(
        job_id=job.job_id,
        correlation_id=resolved.correlation_id,
        kind=resolved.kind,
        vendor=resolved.vendor,
        source=resolved.source,
        specification=from_json(job.resolved_json),
        at=now,
    )
    messages = [outgoing(JOBS_EVENTS, job.job_id, accepted, at=now)]
    if job.step.all_planned:
        has_results = resolved.invoke is not None and resolved.invoke.results is not None
        planned = JobPlanned(
            job_id=job.job_id,
            tasks=len(job.tasks),
            records=job.step.expected,
            all_known=not has_results,
            at=now,
        )
        messages.append(outgoing(JOBS_EVENTS, job.job_id, planned, at=now))
    return messages + [planned_task(task.ref(resolved), now) for task in job.tasks]


def _reject(
    incoming: Incoming[JobRequested], job_id: UUID, reason: str, problems: list[Problem], now: datetime
) -> list[Result]:
    log.info("job.rejected", **ids(job_id=job_id, correlation_id=incoming.event.correlation_id), reason=reason)
    text = "; ".join(map(str, problems))
    return [_rejected(incoming, problems, now), Refuse(incoming, reason, text, job_id=job_id)]


def _rejected(
    incoming: Incoming[JobRequested], problems: list[Problem], now: datetime, *, id: UUID | None = None
) -> Outgoing:
    job_id, correlation_id = _job_of(incoming), incoming.event.correlation_id
    event = JobRejected(job_id=job_id, correlation_id=correlation_id, mistakes=tuple(problems), at=now)
    return outgoing(JOBS_EVENTS, job_id, event, id=id, at=now)
