"""Messages that more than one behaviour of the planner sends."""

from datetime import datetime
from uuid import UUID

from services.planner.ending import completeness_of, reason_of
from services.planner.metrics import JOBS_ENDED
from services.planner.model import Failures, JobRow, TaskRef
from shared.events.catalogue import JOBS_EVENTS, NOTIFICATIONS, TASKS_EVENTS
from shared.events.jobs import JobCounts, JobEnded, JobProgressed, JobState
from shared.events.tasks import TaskChanged, TaskState, VendorAnswer
from shared.events.webhooks import Notification
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.logs import get_logger, ids
from shared.specification.notify import webhooks_of

log = get_logger(__name__)


def planned_task(ref: TaskRef, now: datetime) -> Outgoing:
    """A task was planned, for the first time or again."""
    return moved_task(ref, TaskState.PLANNED, now)


def moved_task(ref: TaskRef, state: TaskState, now: datetime, *, reason: str = "", id: UUID | None = None) -> Outgoing:
    """The planner itself moved a task."""
    event = TaskChanged(
        **ref._asdict(),
        state=state,
        service="planner",
        at=now,
        reason=reason,
        records=0 if state is TaskState.COMPLETED else None,
    )
    return outgoing(TASKS_EVENTS, ref.job_id, event, id=id, at=now)


def counts_of(job: JobRow) -> JobCounts:
    """The counts as they are reported."""
    return JobCounts(
        planned=job.planned,
        completed=job.completed,
        failed=job.failed,
        cancelled=job.cancelled,
        records=job.records,
        distinct=job.distinct,
    )


def progressed(job: JobRow, now: datetime) -> Outgoing:
    """Where the job stands: what ends while a job is paused leaves it paused."""
    event = JobProgressed(job_id=job.id, state=job.state, counts=counts_of(job), at=now)
    return outgoing(JOBS_EVENTS, job.id, event, at=now)


def ended(
    job: JobRow,
    end: JobState,
    now: datetime,
    *,
    failures: Failures | None = None,
    answer: VendorAnswer | None = None,
) -> list[Outgoing]:
    """The job is over: its end, and the notifications that it asked for."""
    reason, failures = reason_of(job, end), failures or Failures()
    JOBS_ENDED.labels(state=end.value).inc()
    named = ids(job_id=job.id, correlation_id=job.resolved.correlation_id)
    log.info(f"job.{end.value}", **named, reason=reason, records=job.records, distinct=job.distinct)
    event = JobEnded(
        job_id=job.id,
        state=end,
        reason=reason,
        counts=counts_of(job),
        expected=job.expected,
        complete=completeness_of(job),
        answer=answer,
        failures=failures.reasons,
        dead=failures.dead,
        expired=failures.expired,
        at=now,
    )
    return [outgoing(JOBS_EVENTS, job.id, event, at=now), *_notify(job, event)]


def _notify(job: JobRow, event: JobEnded) -> list[Outgoing]:
    """The end of a webhook is not notified, or two receivers could keep each other busy."""
    notices = tuple(one for one in job.resolved.output.notify if event.state.value in one.on)
    if not notices or job.resolved.kind == "deliver":
        return []
    notification = Notification(
        subject=f"jobs/{job.id}",
        text=f"job {job.id} of {job.resolved.source}: {event.state.value}",
        event={
            "type": event.ce_type,
            "timestamp": event.at.isoformat(),
            "data": {
                "job_id": str(job.id),
                "kind": job.resolved.kind,
                "vendor": job.resolved.vendor,
                "source": job.resolved.source,
                "status": event.state.value,
                "reason": event.reason,
                "counts": event.counts.model_dump(mode="json"),
                "failures": [failure.model_dump(mode="json") for failure in event.failures or ()],
            },
        },
        webhooks=webhooks_of(notices),
        at=event.at,
    )
    return [outgoing(NOTIFICATIONS, notification.subject, notification, at=event.at)]
