"""fetch.requested → calls; to tasks.events, those that could not even be written down."""

from collections.abc import Sequence

from services.fetcher.enqueue import store
from shared.database.pool import Transaction
from shared.events.catalogue import TASKS_EVENTS
from shared.events.envelope import Incoming
from shared.events.tasks import FetchRequested, TaskChanged, TaskState, VendorAnswer
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, Result, outgoing
from shared.runtime.clock import utc_now


async def enqueue_calls(tx: Transaction, batch: Sequence[Incoming[FetchRequested]]) -> list[Result]:
    """Write down what is to be called; the lanes take it from there."""
    await store.insert_calls(tx, sorted(batch, key=lambda incoming: incoming.id))
    return []


async def give_up_call(_tx: Transaction, incoming: Incoming[FetchRequested], reason: str) -> list[Outgoing]:
    """The shell gave the request up, so its task ends. A request for the status is made again later, so its task goes
    on. A request that was to abort a vendor's job is left to a person."""
    request, now = incoming.event, utc_now()
    if request.purpose == "abort":
        return []
    asks = request.purpose == "status"
    because = f"{reason}: the call could not be written down"
    event = TaskChanged(
        task_id=request.task_id,
        job_id=request.job_id,
        number=request.number,
        round=request.round,
        correlation_id=request.correlation_id,
        state=TaskState.WAITING if asks else TaskState.DEAD,
        service="fetcher",
        at=now,
        reason=because,
        purpose="status" if asks else None,
        answer=VendorAnswer(reason=because) if request.purpose == "answer" else None,
    )
    event_id = derived_id("buried", incoming.id, incoming.delivery)
    return [outgoing(TASKS_EVENTS, request.job_id, event, id=event_id, at=now)]
