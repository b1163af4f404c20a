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
    """Take back what waits here for a cancelled job, and hold what waits for a paused one until it goes on. The planner
    has already told the end of a cancelled job's tasks. A call that is open ends as it ends."""
    events = [incoming.event for incoming in batch]
    progress = sorted((event for event in events if isinstance(event, JobProgressed)), key=lambda event: event.at)
    latest = {event.job_id: event for event in progress}
    await store.pause_jobs(tx, _told_at(event for event in latest.values() if event.state is JobState.PAUSED))
    await store.resume_jobs(tx, _told_at(event for event in latest.values() if event.state is not JobState.PAUSED))
    cancelled = {event.job_id for event in events if _is_cancelled(event)}
    if cancelled:
        await store.cancel_calls(tx, sorted(cancelled))
    return []


def _told_at(events: Iterable[JobProgressed]) -> dict[UUID, datetime]:
    """When each of these was told, in the order of their ids."""
    return dict(sorted((event.job_id, event.at) for event in events))


def _is_cancelled(event: JobEvent) -> bool:
    return isinstance(event, JobEnded) and event.state is JobState.CANCELLED
