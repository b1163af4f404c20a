"""The topic sink: each record as an event on `records.<source>`, keyed by the record's key."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.processor.metrics import RECORDS
from services.processor.model import KeyedRecord, Page
from services.processor.sinks.written import Written, goes_to_topic
from shared.events.catalogue import records_topic
from shared.events.records import RecordReceived
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing


def write(pages: Sequence[Page], written: Written) -> dict[UUID, list[Outgoing]]:
    """By task, the events of all pages that want them, of what was new in the job. Ids come from job and key."""
    sent: set[tuple[UUID, str]] = set()
    events: dict[UUID, list[Outgoing]] = {}
    for page in filter(goes_to_topic, pages):
        stored = page.stored
        for record in written.records_of(page):
            if (stored.job_id, record.key) not in sent:
                sent.add((stored.job_id, record.key))
                events.setdefault(stored.task_id, []).append(_event(page, record))
    RECORDS.labels(sink="topic", fate="written").inc(len(sent))
    return events


def _event(page: Page, record: KeyedRecord) -> Outgoing:
    stored = page.stored
    event = RecordReceived(
        source=stored.processing.source,
        key=record.key,
        job_id=stored.job_id,
        task_id=stored.task_id,
        correlation_id=stored.correlation_id,
        record=None,
    )
    topic = records_topic(stored.processing.source)
    made = outgoing(topic, record.key, event, id=derived_id("record", stored.job_id, record.key))
    # The record's text goes in as it is: to read and write it again would take most of the time.
    return replace(made, value=(made.value or b"{}")[:-1] + b',"record":' + record.text + b"}")
