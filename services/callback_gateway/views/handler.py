"""jobs.events, tasks.events, *.dead → read models."""

from collections.abc import Sequence

from services.callback_gateway.views import store
from services.callback_gateway.views.decide import latest_moves, latest_plans, planned_again, task_views
from shared.database.pool import Transaction
from shared.events.dead_letters import DeadLetter
from shared.events.envelope import Incoming
from shared.events.jobs import JobAccepted, JobEnded, JobEvent, JobPlanned, JobProgressed, JobRejected
from shared.events.tasks import TaskChanged
from shared.messaging.handler import Result


async def view_jobs(tx: Transaction, batch: Sequence[Incoming[JobEvent]]) -> list[Result]:
    """Bring jobs up to date, and keep their events for whoever follows them."""
    events = [incoming.event for incoming in batch]
    await store.accept_jobs(tx, [event for event in events if isinstance(event, JobAccepted)])
    await store.reject_jobs(tx, [event for event in events if isinstance(event, JobRejected)])
    await store.plan_jobs(tx, latest_plans(event for event in events if isinstance(event, JobPlanned)))
    latest = latest_moves(events)
    moved = await store.progress_jobs(tx, [event for event in latest.values() if isinstance(event, JobProgressed)])
    await store.end_jobs(tx, [event for event in latest.values() if isinstance(event, JobEnded)])
    news = {job_id: latest[job_id] for job_id in moved}
    kept = [event for event in events if not isinstance(event, JobProgressed) or news.get(event.job_id) is event]
    await store.insert_events(tx, kept)
    return []


async def view_tasks(tx: Transaction, batch: Sequence[Incoming[TaskChanged]]) -> list[Result]:
    """Bring tasks up to date; a late event adds its time, and never moves a task back."""
    views = task_views(incoming.event for incoming in batch)
    again = planned_again(views)
    if again:
        await store.lock_letters(tx, alone=False)
    await store.upsert_tasks(tx, views)
    await store.close_letters(tx, again)
    return []


async def view_dead_letters(tx: Transaction, batch: Sequence[Incoming[DeadLetter]]) -> list[Result]:
    """Keep dead letters where they can be found."""
    await store.lock_letters(tx, alone=True)
    await store.insert_dead_letters(tx, batch)
    return []
