"""jobs.events (cancelled) → calls."""

from collections.abc import Sequence

from services.fetcher.cancel import store
from shared.database.pool import Transaction
from shared.events.envelope import Incoming
from shared.events.jobs import JobEnded, JobEvent, JobState
from shared.messaging.handler import Result


async def cancel_calls(tx: Transaction, batch: Sequence[Incoming[JobEvent]]) -> list[Result]:
    """Take back what waits here for a cancelled job. The planner has already told the end of its tasks. A call that is
    open ends as it ends: its answer changes nothing."""
    cancelled = {incoming.event.job_id for incoming in batch if _is_cancelled(incoming.event)}
    if cancelled:
        await store.cancel_calls(tx, sorted(cancelled))
    return []


def _is_cancelled(event: JobEvent) -> bool:
    return isinstance(event, JobEnded) and event.state is JobState.CANCELLED
