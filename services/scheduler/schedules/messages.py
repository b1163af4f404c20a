"""The messages of schedules: what they start, the facts about them, who is notified. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.scheduler.model import Timer
from services.scheduler.schedules.model import Firing, ScheduleWithFirings
from shared.errors import Problem
from shared.events.catalogue import NOTIFICATIONS
from shared.events.envelope import CE_CORRELATION
from shared.events.firing import target_of
from shared.events.jobs import JobRequested, JobState
from shared.events.schedules import ScheduleChanged, ScheduleFact, ScheduleState
from shared.events.webhooks import Notification
from shared.ids import derived_id
from shared.messaging.handler import outgoing
from shared.specification.notify import webhooks_of
from shared.specification.schedule import Schedule

_LONGEST_REASON = 2000


def start(standing: ScheduleWithFirings, firing: Firing, schedule: Schedule) -> Timer:
    """The message that starts what is scheduled. It is due at its planned time, so that its lateness is seen. It
    carries the id of the schedule: in a header, and as the correlation id of a job unless the event has one already.

    Raises:
        Invalid: the target is not what its topic takes.
        Rejected: it is too large.
    """
    target = target_of(schedule, standing.id, firing.planned_at, firing.id)
    event = target.event
    if isinstance(event, JobRequested) and event.correlation_id is None:
        event = event.model_copy(update={"correlation_id": standing.id})
    message = outgoing(target.topic, target.key, event, id=target.id)
    correlated = (*message.headers, (CE_CORRELATION, str(standing.id).encode()))
    return Timer(target.id, firing.due_at or firing.planned_at, replace(message, headers=correlated))


def changed(
    standing: ScheduleWithFirings,
    fact: ScheduleFact,
    now: datetime,
    firing: Firing | None = None,
    reason: str = "",
    **more: Any,
) -> ScheduleChanged:
    """A fact about a schedule, with where it stands after that."""
    kept = standing.kept
    about: dict[str, Any] = {"state": kept.state if kept else ScheduleState.REMOVED}
    if kept is not None:
        next_at = kept.next_at or standing.due_at if kept.state is ScheduleState.ACTIVE else None
        about |= {"next_at": next_at, "name": kept.schedule.schedule}
    if firing is not None:
        about |= {"planned_at": firing.planned_at, "job_id": firing.id, "attempt": firing.attempt}
    return ScheduleChanged(
        schedule_id=standing.id, fact=fact, reason=reason[:_LONGEST_REASON], at=now, **{**about, **more}
    )


def created(standing: ScheduleWithFirings, schedule: Schedule, now: datetime, *, anew: bool) -> ScheduleChanged:
    """A schedule is in force, with its document."""
    document = schedule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    fact = ScheduleFact.CREATED if anew else ScheduleFact.CHANGED
    return changed(standing, fact, now, schedule=document)


def rejected(standing: ScheduleWithFirings, problems: tuple[Problem, ...], now: datetime) -> ScheduleChanged:
    """A document has mistakes; what was in force before stays."""
    state = standing.kept.state if standing.kept else ScheduleState.REJECTED
    return changed(standing, ScheduleFact.REJECTED, now, state=state, mistakes=problems)


def notify(
    schedule_id: UUID, schedule: Schedule, planned_at: datetime, end: JobState, reason: str, now: datetime
) -> Timer:
    """The notification that a firing failed or was missed. What could not be started counts as failed."""
    outcome = JobState.CANCELLED if end is JobState.CANCELLED else JobState.FAILED
    name = schedule.schedule or str(schedule_id)
    event = {
        "type": "schedule.failed",
        "timestamp": now.isoformat(),
        "data": {
            "schedule_id": str(schedule_id),
            "name": name,
            "planned_at": planned_at.isoformat(),
            "reason": reason[:_LONGEST_REASON],
        },
    }
    notification = Notification(
        subject=str(schedule_id),
        text=f"schedule {name}: {reason[:_LONGEST_REASON]}",
        event=event,
        webhooks=webhooks_of(tuple(one for one in schedule.on_failure.notify if outcome.value in one.on)),
        at=now,
    )
    # The moment is part of it: the same time may be asked for again, and fail again for the same reason.
    message_id = derived_id("schedule.notice", schedule_id, planned_at.timestamp(), now.timestamp(), reason)
    return Timer(message_id, now, outgoing(NOTIFICATIONS, schedule_id, notification, id=message_id, at=now))
