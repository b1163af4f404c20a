"""payloads.stored → sinks; tells tasks.events and records.<source>."""

from collections.abc import Sequence
from datetime import datetime

from services.processor.metrics import PAGES_FAILED
from services.processor.model import Page
from services.processor.process import store
from services.processor.sinks import postgres, topic
from services.processor.sinks.written import Written, tables_of
from shared.database.pool import Transaction
from shared.events.catalogue import MONTH, TASKS_EVENTS
from shared.events.envelope import Incoming
from shared.events.payloads import PayloadStored
from shared.events.tasks import TaskChanged, TaskState
from shared.messaging.handler import Outgoing, Refuse, Result, outgoing
from shared.runtime.clock import utc_now


async def process_pages(tx: Transaction, batch: Sequence[Incoming[Page]]) -> list[Result]:
    """Write the records of each page once; a page that cannot be read is dead, its neighbours are not."""
    now = utc_now()
    good = [incoming.event for incoming in batch if incoming.event.failure is None]
    written = await postgres.write(tx, good)
    results: list[Result] = list(topic.write(good, written))
    results += [_completed(page, written, now) for page in good]
    for incoming in batch:
        if incoming.event.failure is not None:
            results += _failed(incoming, now)
    keep = {incoming.event.stored.payload.uri: _keep_seconds(incoming.event) for incoming in batch}
    await store.insert_expiries(tx, keep)
    return results


def _keep_seconds(page: Page) -> float:
    """A page that failed keeps its payload as long as its dead letter, so that it can be sent again."""
    wanted = page.stored.processing.keep_seconds
    return wanted if page.failure is None else max(wanted, MONTH.total_seconds())


def _completed(page: Page, written: Written, now: datetime) -> Outgoing:
    """`distinct` counts what was new in this job; without a table to compare with, the keys of the page."""
    distinct = written.counts[page.stored.task_id] if tables_of(page) else len({item.key for item in page.items})
    return _changed(page, TaskState.COMPLETED, now, records=len(page.items), distinct=distinct)


def _failed(incoming: Incoming[Page], now: datetime) -> list[Result]:
    page, failure = incoming.event, incoming.event.failure
    assert failure is not None
    PAGES_FAILED.labels(reason=failure.reason).inc()
    stored = page.stored
    letter = Refuse(incoming, failure.reason, failure.detail, job_id=stored.job_id, task_id=stored.task_id)
    told = _changed(page, TaskState.DEAD, now, reason=f"{failure.reason}: {failure.detail}")
    return [told, letter]


def bury_page(incoming: Incoming[PayloadStored], reason: str) -> list[Outgoing]:
    """The shell gave a page up: its job must hear of it."""
    told = f"{reason}: the page could not be processed"
    return [_changed(Page(incoming.event), TaskState.DEAD, utc_now(), reason=told)]


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
