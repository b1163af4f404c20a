"""Events of a job from its beginning to its end."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.events.catalogue import JOBS_EVENTS
from shared.events.envelope import Incoming, Position, Record
from shared.events.jobs import JobAccepted, JobCounts, JobEnded, JobPlanned, JobState
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def accepted(job_id: UUID) -> Outgoing:
    """The job begins."""
    event = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    return outgoing(JOBS_EVENTS, job_id, event)


def planned(job_id: UUID) -> Outgoing:
    """It has three tasks."""
    return outgoing(JOBS_EVENTS, job_id, JobPlanned(job_id=job_id, tasks=3, at=BEGAN))


def ended(job_id: UUID) -> Outgoing:
    """It is completed."""
    event = JobEnded(job_id=job_id, state=JobState.COMPLETED, reason="", counts=JobCounts(), at=BEGAN)
    return outgoing(JOBS_EVENTS, job_id, event)


def incoming(event: Any) -> Incoming[Any]:
    """An event as a handler gets it."""
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, b"", (), BEGAN))
