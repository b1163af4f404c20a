"""The topic sink: each record as an event on `records.<source>`, keyed by the record's key."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.processor.metrics import RECORDS
from services.processor.model import Item, Page
from services.processor.sinks.written import Written, tells
from shared.events.catalogue import records_topic
from shared.events.records import RecordReceived
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing


def write(pages: Sequence[Page], written: Written) -> dict[UUID, list[Outgoing]]:
    """By task, the events of all pages that want them, of what was new in the job. Ids come from job and key."""
    told: set[tuple[UUID, str]] = set()
    events: dict[UUID, list[Outgoing]] = {}
    for page in filter(tells, pages):
        stored = page.stored
        for item in written.items_of(page):
            if (stored.job_id, item.key) not in told:
                told.add((stored.job_id, item.key))
                events.setdefault(stored.task_id, []).append(_event(page, item))
    RECORDS.labels(sink="topic", fate="written").inc(len(told))
    return events


def _event(page: Page, item: Item) -> Outgoing:
    stored = page.stored
    event = RecordReceived(
        source=stored.processing.source, key=item.key, job_id=stored.job_id, task_id=stored.task_id, record=None
    )
    topic = records_topic(stored.processing.source)
    made = outgoing(topic, item.key, event, id=derived_id("record", stored.job_id, item.key))
    # The record's text goes in as it is: to read and write it again would take most of the time.
    return replace(made, value=(made.value or b"{}")[:-1] + b',"record":' + item.record + b"}")
