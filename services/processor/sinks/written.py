"""What sinks have in common: which pages are theirs, and what was new of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.processor.model import KeyedRecord, Page
from shared.specification.source import PostgresSink, TopicSink


@dataclass
class Written:
    """What was taken: for each task how many records were new in its job, and which, where not all were."""

    counts: Counter[UUID] = field(default_factory=Counter)
    keys: dict[UUID, set[str]] = field(default_factory=dict)

    def __or__(self, other: "Written") -> "Written":
        """Both, of different tasks."""
        return Written(self.counts + other.counts, self.keys | other.keys)

    def records_of(self, page: Page) -> Sequence[KeyedRecord]:
        """The records of a page that were new."""
        fresh = self.keys.get(page.stored.task_id)
        return page.records if fresh is None else [record for record in page.records if record.key in fresh]


def tables_of(page: Page) -> tuple[str, ...]:
    """The tables that a page goes to."""
    return tuple(sink.table for sink in page.stored.processing.sinks if isinstance(sink, PostgresSink))


def goes_to_topic(page: Page) -> bool:
    """Whether a page goes to a topic."""
    return any(isinstance(sink, TopicSink) for sink in page.stored.processing.sinks)
