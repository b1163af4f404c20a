"""payloads.stored → sinks; then tasks.events and records.<source>."""

from collections.abc import Sequence
from datetime import datetime

from services.processor.metrics import PAGES_FAILED
from services.processor.model import Page
from services.processor.process import store
from services.processor.sinks import keys, postgres, topic
from services.processor.sinks.busy import LOOK_AGAIN_SECONDS, BusyTables
from services.processor.sinks.written import Written, goes_to_topic, tables_of
from shared.database.pool import Transaction
from shared.database.users_tables import TableBusy
from shared.events.catalogue import MONTH, TASKS_EVENTS
from shared.events.envelope import Incoming
from shared.events.payloads import PayloadStored
from shared.events.tasks import TaskChanged, TaskState, cut_reason
from shared.messaging.handler import Again, Bundle, Outgoing, Refuse, Result, outgoing
from shared.messaging.sending import GIVEN_UP_AFTER_SECONDS
from shared.observability.logs import get_logger, task_ids
from shared.runtime.clock import utc_now

_ON_TOPIC_SECONDS = 2 * GIVEN_UP_AFTER_SECONDS
"""The payload of a page for a topic is kept at least so long. The topic may refuse the page; until the page is
given up, its payload must be there, to be kept as long as its dead letter. Half of it would do if nothing were late."""
_MOST_DOUBLED = 4

log = get_logger(__name__)


async def process_pages(tx: Transaction, batch: Sequence[Incoming[Page]], *, busy: BusyTables) -> list[Result]:
    """Write the records of each page once; a page that cannot be read is dead, its neighbours are not. A page for a
    table that is known to be busy comes again later.

    Raises:
        TableBusy: a table was found busy. From now on it is known to be, so the batch can be tried again at once.
    """
    at_hand, results = list[Incoming[Page]](), list[Result]()
    for incoming in batch:
        if incoming.event.failure is None and busy.has_any(tables_of(incoming.event)):
            results.append(_when_free(incoming))
        else:
            at_hand.append(incoming)
    try:
        return [*results, *await _process(tx, at_hand)]
    except TableBusy as error:
        busy.add(error.table)
        raise


def _when_free(incoming: Incoming[Page]) -> Again:
    """However often it takes; after up to five minutes each time."""
    wait = LOOK_AGAIN_SECONDS * 2 ** min(incoming.repeats, _MOST_DOUBLED)
    return Again(incoming, wait, "table_busy", waited=True)


async def _process(tx: Transaction, batch: Sequence[Incoming[Page]]) -> list[Result]:
    now = utc_now()
    good = [incoming.event for incoming in batch if incoming.event.failure is None]
    written = await postgres.write(tx, good) | await keys.write(tx, good)
    records = topic.write(good, written)
    results: list[Result] = []
    for incoming in batch:
        page = incoming.event
        if page.failure is not None:
            results += _failed(incoming, now)
        elif messages := records.get(page.stored.task_id):
            results.append(Bundle(incoming, (*messages, _completed(page, written, now))))
        else:
            results.append(_completed(page, written, now))
    pages = [incoming.event for incoming in batch]
    keep = {page.stored.payload.uri: _keep_seconds(page, is_dead=page.failure is not None) for page in pages}
    await store.insert_expiries(tx, keep)
    return results


def _keep_seconds(page: Page, *, is_dead: bool) -> float:
    """A page that failed keeps its payload as long as its dead letter, so that it can be sent again."""
    wanted = page.stored.processing.keep_seconds
    if is_dead:
        return max(wanted, MONTH.total_seconds())
    return max(wanted, _ON_TOPIC_SECONDS) if goes_to_topic(page) else wanted


def _completed(page: Page, written: Written, now: datetime) -> Outgoing:
    """`distinct` counts what was new in this job."""
    distinct = written.counts[page.stored.task_id]
    return _changed(page, TaskState.COMPLETED, now, records=len(page.records), distinct=distinct)


def _failed(incoming: Incoming[Page], now: datetime) -> list[Result]:
    page, failure = incoming.event, incoming.event.failure
    assert failure is not None
    PAGES_FAILED.labels(reason=failure.reason).inc()
    stored = page.stored
    log.warning("page.failed", **task_ids(stored), reason=failure.reason)
    letter = Refuse(incoming, failure.reason, failure.detail, job_id=stored.job_id, task_id=stored.task_id)
    ended = _changed(page, TaskState.DEAD, now, reason=f"{failure.reason}: {failure.detail}")
    return [ended, letter]


async def give_up_page(tx: Transaction, incoming: Incoming[PayloadStored], reason: str) -> list[Outgoing]:
    """The shell gave a page up: its job hears of it, and its payload is kept as long as its dead letter."""
    PAGES_FAILED.labels(reason=reason).inc()
    log.warning("page.failed", **task_ids(incoming.event), reason=reason)
    page = Page(incoming.event)
    await store.insert_expiries(tx, {page.stored.payload.uri: _keep_seconds(page, is_dead=True)})
    error = f"{reason}: the page could not be processed"
    return [_changed(page, TaskState.DEAD, utc_now(), reason=error)]


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
        correlation_id=stored.correlation_id,
        state=state,
        service="processor",
        at=now,
        reason=cut_reason(reason),
        records=records,
        distinct=distinct,
    )
    return outgoing(TASKS_EVENTS, stored.job_id, event, at=now)
