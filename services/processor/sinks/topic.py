"""The topic sink: each record as an event on `records.<source>`, keyed by the record's key."""

from collections.abc import Iterator, Sequence

import orjson

from services.processor.metrics import RECORDS
from services.processor.model import Page
from shared.events.catalogue import records_topic
from shared.events.records import RecordReceived
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.specification.source import TopicSink


def write(pages: Sequence[Page]) -> Iterator[Outgoing]:
    """The events of all pages that want them. Ids come from job and key, so a record counts once in a job."""
    for page in pages:
        if not any(isinstance(sink, TopicSink) for sink in page.stored.processing.sinks):
            continue
        stored = page.stored
        topic = records_topic(stored.processing.source)
        RECORDS.labels(sink="topic", fate="written").inc(len(page.items))
        for item in page.items:
            event = RecordReceived(
                source=stored.processing.source,
                key=item.key,
                job_id=stored.job_id,
                task_id=stored.task_id,
                record=orjson.loads(item.record),
            )
            yield outgoing(topic, item.key, event, id=derived_id("record", stored.job_id, item.key))
