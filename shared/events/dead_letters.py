"""Messages that could not be handled: for another try later, or for a person to look at."""

import base64
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.envelope import CE_ID, DELIVERY, RECIPIENT, Event, Headers, Position, Record

POSTPONED = "sluice-postponed"
"""How often this very delivery was put off, because a topic that it is for took no messages."""
WAITED = "sluice-waited"
"""How many deliveries of this event only waited for something: they are not counted among those that failed."""
REFUSED = "sluice-refused"
"""How often of late that was somebody's choice, the topic deleted or forbidden, with no outage in between."""


class Original(Event):
    """A record exactly as it came; bytes are base64, so that anything at all can be carried. `left_out` says what could
    not be, because it is too large: such a record cannot be sent again."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: str | None = None
    value: str | None = None
    headers: tuple[tuple[str, str | None], ...]
    left_out: str | None = None

    @classmethod
    def of(cls, record: Record) -> "Original":
        """Keep a record."""
        return cls(
            topic=record.position.topic,
            partition=record.position.partition,
            offset=record.position.offset,
            timestamp=record.timestamp,
            key=_encode(record.key),
            value=_encode(record.value),
            headers=tuple((name, _encode(value)) for name, value in record.headers),
        )

    def record(self) -> Record:
        """The record again."""
        return Record(
            position=Position(self.topic, self.partition, self.offset),
            key=_decode(self.key),
            value=_decode(self.value),
            headers=tuple((name, _decode(value)) for name, value in self.headers),
            timestamp=self.timestamp,
        )

    def headers_again(self, event_id: UUID, delivery: int, group: str) -> Headers:
        """Its headers for sending it again: the same event, as that delivery, for one group (empty: for all).

        Raises:
            ValueError: the headers are no base64.
        """
        own = {CE_ID: str(event_id).encode(), DELIVERY: str(delivery).encode(), RECIPIENT: group.encode()}
        kept = ((name, _decode(value) or b"") for name, value in self.headers if name not in own)
        return (*kept, *((name, value) for name, value in own.items() if value))


class RetryRequested(Event):
    """Send the original to its topic again, not before a time, as delivery `delivery` of event `event_id`."""

    type: Literal["retry.requested"] = "retry.requested"
    service: str
    group: str
    event_id: UUID
    delivery: int
    not_before: datetime
    reason: str
    error: str = ""
    original: Original


class DeadLetter(Event):
    """What could not be handled, with its reason, its history and its original bytes. `group` is the consumer group
    that gave it up; empty where none did (a call that failed, say): then it is sent again for all groups."""

    type: Literal["dead_letter"] = "dead_letter"
    service: str
    group: str = ""
    event_id: UUID
    delivery: int
    reason: str
    error: str = ""
    history: tuple[str, ...] = ()
    job_id: UUID | None = None
    task_id: UUID | None = None
    at: datetime
    original: Original

    @property
    def ce_type(self) -> str:
        """The CloudEvents type attribute."""
        return "dead-letter"


def _encode(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _decode(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value, validate=True)
