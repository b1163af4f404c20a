"""payloads.stored → sinks; tells tasks.events and records.<source>."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.processor.metrics import PAGES_FAILED
from services.processor.model import Page
from services.processor.process import store
from services.processor.sinks import postgres, topic
from shared.database.pool import Transaction
from shared.events.catalogue import TASKS_EVENTS
from shared.events.envelope import Incoming
from shared.events.tasks import TaskChanged, TaskState
from shared.messaging.handler import Outgoing, Refuse, Result, outgoing
from shared.runtime.clock import utc_now


async def process_pages(tx: Transaction, batch: Sequence[Incoming[Page]]) -> list[Result]:
    """Write the records of each page once; a page that cannot be read is dead, its neighbours are not."""
    now = utc_now()
    good = [incoming.event for incoming in batch if incoming.event.failure is None]
    written = await postgres.write(tx, good)
    results: list[Result] = list(topic.write(good))
    results += [_completed(page, written, now) for page in good]
    for incoming in batch:
        if incoming.event.failure is not None:
            results += _failed(incoming, now)
    await store.insert_expiries(tx, [page.stored for page in good])
    return results


def _completed(page: Page, written: Counter[UUID], now: datetime) -> Outgoing:
    """`distinct` counts what was new in this job; without a table to compare with, the keys of the page."""
    distinct = written[page.stored.task_id] if postgres.tables_of(page) else len({item.key for item in page.items})
    return _changed(page, TaskState.COMPLETED, now, records=len(page.items), distinct=distinct)


def _failed(incoming: Incoming[Page], now: datetime) -> list[Result]:
    page, failure = incoming.event, incoming.event.failure
    assert failure is not None
    PAGES_FAILED.labels(reason=failure.reason).inc()
    stored = page.stored
    letter = Refuse(incoming, failure.reason, failure.detail, job_id=stored.job_id, task_id=stored.task_id)
    told = _changed(page, TaskState.DEAD, now, reason=f"{failure.reason}: {failure.detail}")
    return [told, letter]


def _changed(
    page: Page,
    state: TaskState,
    now: datetime,
    *,
    reason: str = "",
    records: int | None = None,
    distinct: int | None = None,
) -> Outgoing:
    stored = page.stored
    event = TaskChanged(
        task_id=stored.task_id,
        job_id=stored.job_id,
        number=stored.number,
        round=stored.round,
        state=state,
        service="processor",
        at=now,
        reason=reason[:500],
        records=records,
        distinct=distinct,
    )
    return outgoing(TASKS_EVENTS, stored.job_id, event, at=now)
