"""callbacks.expected, callbacks.received → expectations, callbacks; reports on tasks.events what vendors say.

Either may come first. Both handlers lock what their events are known by before they look, so that one of the two
always sees what the other has written.
"""

from collections.abc import Sequence
from datetime import datetime

from services.callback_gateway.match import store
from services.callback_gateway.match.decide import (
    Judged,
    afterwards,
    earliest,
    judge_all,
    keys_of,
    latest,
    one_for_each,
)
from services.callback_gateway.metrics import CALLBACK_SECONDS, CALLBACKS
from shared.database.pool import Transaction
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.events.catalogue import TASKS_EVENTS
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import Incoming
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import derived_id
from shared.messaging.blocks import BLOCK_BYTES
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.logs import get_logger, task_ids
from shared.runtime.clock import utc_now

UNMATCHED = "unmatched_callback"
_PAGE = 32
"""So many parked callbacks are read at once; fewer, if they are large."""

log = get_logger(__name__)


async def match_callbacks(tx: Transaction, batch: Sequence[Incoming[CallbackReceived]]) -> list[Outgoing]:
    """Find the tasks that each callback is for; one that is for none yet is parked."""
    callbacks = [incoming.event for incoming in batch]
    await store.lock_keys(tx, keys_of(callbacks))
    judged = judge_all(callbacks, await store.find_expectations(tx, callbacks))
    now = utc_now()
    letters = {incoming.event.callback_id: _letter(incoming, now) for incoming in batch}
    await store.upsert_callbacks(tx, one_for_each(judged), letters)
    await store.set_reported(tx, judged)
    return _report(judged, now)


async def expect_callbacks(tx: Transaction, batch: Sequence[Incoming[CallbackExpected]]) -> list[Outgoing]:
    """Keep which tasks wait, and judge what came before they were known, or known to wait for that vendor's job."""
    events = latest(incoming.event for incoming in batch)
    await store.lock_keys(tx, keys_of(events))
    expectations = await store.upsert_expectations(tx, events, earliest(batch))
    parked = await store.find_parked(tx, expectations)
    missed = await store.find_missed(tx, events, expectations)
    now = utc_now()
    judged = judge_all((), expectations, missed)
    messages = await _settle(tx, judged, now)
    async for callbacks in store.read_parked(tx, parked, _PAGE, BLOCK_BYTES):
        expectations = afterwards(expectations, judged)
        judged = judge_all(callbacks, expectations)
        messages += await _settle(tx, [one for one in judged if one.verdict != "parked"], now)
    return messages


async def _settle(tx: Transaction, judged: Sequence[Judged], now: datetime) -> list[Outgoing]:
    if not judged:
        return []
    await store.upsert_callbacks(tx, one_for_each(judged), {})
    await store.set_reported(tx, judged)
    return _report(judged, now)


def _letter(incoming: Incoming[CallbackReceived], now: datetime) -> DeadLetter:
    return DeadLetter(
        service="callback-gateway",
        event_id=incoming.id,
        delivery=incoming.delivery,
        reason=UNMATCHED,
        error=f"{UNMATCHED}: no task has waited for it",
        task_id=incoming.event.task_id,
        at=now,
        original=Original.of(incoming.record),
    )


def _report(judged: Sequence[Judged], now: datetime) -> list[Outgoing]:
    for one in one_for_each(judged):
        callback = one.callback
        CALLBACKS.labels(vendor=callback.vendor, verdict=one.verdict).inc()
        if one.verdict == "accepted":
            CALLBACK_SECONDS.labels(vendor=callback.vendor).observe((now - callback.received_at).total_seconds())
    for one in judged:
        log.info(
            f"callback.{one.verdict}",
            callback_id=str(one.callback.callback_id),
            **(task_ids(one.expectation) if one.expectation else {}),
            reported=one.reported,
        )
    return [report_of(one, now) for one in judged if one.is_news]


def report_of(one: Judged, now: datetime) -> Outgoing:
    """What the task of a callback hears of it."""
    assert one.expectation is not None
    event = TaskChanged(
        task_id=one.expectation.task_id,
        job_id=one.expectation.job_id,
        number=one.expectation.number,
        round=one.expectation.round,
        correlation_id=one.expectation.correlation_id,
        state=TaskState.WAITING,
        service="callback-gateway",
        at=now,
        vendor_job=one.vendor_job,
        reported=one.reported,
    )
    message_id = derived_id("reported", one.callback.callback_id, event.task_id, event.round)
    return outgoing(TASKS_EVENTS, event.job_id, event, id=message_id, at=now)
