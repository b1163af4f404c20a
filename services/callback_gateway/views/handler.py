"""jobs.events, tasks.events, *.dead → read models."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeGuard
from uuid import UUID

from services.callback_gateway.views import store
from services.callback_gateway.views.decide import task_views
from shared.database.pool import Transaction
from shared.events.dead_letters import DeadLetter
from shared.events.envelope import Incoming
from shared.events.jobs import JobAccepted, JobEnded, JobEvent, JobPlanned, JobProgressed, JobRejected
from shared.events.tasks import TaskChanged
from shared.messaging.handler import Result

_ALMOST = timedelta(seconds=0.1)
"""The clocks of two planners need not agree on less."""


async def view_jobs(tx: Transaction, batch: Sequence[Incoming[JobEvent]]) -> list[Result]:
    """Bring jobs up to date, and keep their events for whoever follows them."""
    events = [incoming.event for incoming in batch]
    await store.accept_jobs(tx, [event for event in events if isinstance(event, JobAccepted)])
    await store.reject_jobs(tx, [event for event in events if isinstance(event, JobRejected)])
    await store.plan_jobs(tx, [event for event in events if isinstance(event, JobPlanned)])
    latest = _latest(event for event in events if _moves(event))
    moved = await store.progress_jobs(tx, [event for event in latest.values() if isinstance(event, JobProgressed)])
    await store.end_jobs(tx, [event for event in latest.values() if isinstance(event, JobEnded)])
    news = {job_id: latest[job_id] for job_id in moved}
    kept = [event for event in events if not isinstance(event, JobProgressed) or news.get(event.job_id) is event]
    await store.insert_events(tx, kept)
    return []


def _latest(moves: Iterable[JobProgressed | JobEnded]) -> dict[UUID, JobProgressed | JobEnded]:
    """The last word on each job. What was said before may come after it: who said it has died meanwhile."""
    latest: dict[UUID, JobProgressed | JobEnded] = {}
    for event in moves:
        before = latest.get(event.job_id)
        if before is None or _is_news(before, event):
            latest[event.job_id] = event
    return latest


def _is_news(before: JobProgressed | JobEnded, event: JobProgressed | JobEnded) -> bool:
    """What was told less than 0.1 s apart is taken in the order it was read, as the statements do."""
    if isinstance(before, JobEnded):
        return before.at < event.at
    return before.at <= event.at + _ALMOST


def _moves(event: JobEvent) -> TypeGuard[JobProgressed | JobEnded]:
    """Progress that is told of a job after its end changes nothing."""
    match event:
        case JobProgressed(state=state):
            return not state.is_end
        case JobEnded():
            return True
        case _:
            return False


async def view_tasks(tx: Transaction, batch: Sequence[Incoming[TaskChanged]]) -> list[Result]:
    """Bring tasks up to date; a late event adds its time, and never moves a task back."""
    views = task_views(incoming.event for incoming in batch)
    if any(view.round > 0 for view in views):
        await store.lock_letters(tx, alone=False)
    await store.upsert_tasks(tx, views)
    await store.close_letters(tx, views)
    return []


async def view_dead_letters(tx: Transaction, batch: Sequence[Incoming[DeadLetter]]) -> list[Result]:
    """Keep dead letters where they can be found."""
    await store.lock_letters(tx, alone=True)
    await store.insert_dead_letters(tx, batch)
    return []
