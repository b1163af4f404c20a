"""jobs.events (progressed, cancelled) → calls."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.fetcher.control import store
from shared.database.pool import Transaction
from shared.events.envelope import Incoming
from shared.events.jobs import JobEnded, JobEvent, JobProgressed, JobState
from shared.messaging.handler import Result

SKIPS = frozenset({"job.planned", *(f"job.{state}" for state in JobState if state is not JobState.CANCELLED)})
"""Types of `jobs.events` that hold up no call, let none go on and take none back."""


async def control_calls(tx: Transaction, batch: Sequence[Incoming[JobEvent]]) -> list[Result]:
    """Delete the waiting calls of a cancelled job, and hold those of a paused job until it goes on. The planner has
    already reported the end of a cancelled job's tasks. A call that is open runs to its end."""
    events = [incoming.event for incoming in batch]
    progress = sorted((event for event in events if isinstance(event, JobProgressed)), key=lambda event: event.at)
    latest = {event.job_id: event for event in progress}
    await store.pause_jobs(tx, _reported_at(event for event in latest.values() if event.state is JobState.PAUSED))
    await store.resume_jobs(tx, _reported_at(event for event in latest.values() if event.state is not JobState.PAUSED))
    cancelled = {event.job_id for event in events if _is_cancelled(event)}
    if cancelled:
        await store.cancel_calls(tx, sorted(cancelled))
    return []


def _reported_at(events: Iterable[JobProgressed]) -> dict[UUID, datetime]:
    """When each of these was reported, in the order of the jobs' ids."""
    return dict(sorted((event.job_id, event.at) for event in events))


def _is_cancelled(event: JobEvent) -> bool:
    return isinstance(event, JobEnded) and event.state is JobState.CANCELLED
